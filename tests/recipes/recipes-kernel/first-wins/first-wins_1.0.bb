# The first package in PACKAGES whose FILES match gets a file.
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

do_install:append() {
    install -Dm0644 /dev/null ${D}${datadir}/tiny/a.txt
    install -Dm0644 /dev/null ${D}${datadir}/tiny/b.bin
    ln -s a.txt ${D}${datadir}/tiny/link
}

PACKAGES =+ "${PN}-text ${PN}-rest"
FILES:${PN}-text = "${datadir}/tiny/*.txt"
FILES:${PN}-rest = "${datadir}/tiny"
