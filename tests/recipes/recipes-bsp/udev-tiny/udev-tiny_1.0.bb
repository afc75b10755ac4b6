LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

SRC_URI += "file://70-tiny.rules"

do_install:append() {
    install -d ${D}${nonarch_base_libdir}/udev/rules.d
    install -m 0644 ${UNPACKDIR}/70-tiny.rules ${D}${nonarch_base_libdir}/udev/rules.d/
}

PACKAGES =+ "${PN}-udev"
FILES:${PN}-udev = "${nonarch_base_libdir}/udev/rules.d/*.rules"
RDEPENDS:${PN} += "${PN}-udev"
