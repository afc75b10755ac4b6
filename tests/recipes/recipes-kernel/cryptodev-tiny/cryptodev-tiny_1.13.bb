SUMMARY = "A module with a header for programs"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile \
           file://one.c \
           file://cryptodev_tiny.h \
           file://0001-Say-it-in-other-words.patch \
           "
S = "${UNPACKDIR}"

do_install:append() {
    install -Dm0644 ${S}/cryptodev_tiny.h ${D}${includedir}/crypto/cryptodev_tiny.h
}
