SUMMARY = "A start script, alternatives, and a link into another package"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module update-rc.d

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

INITSCRIPT_NAME = "tiny"
INITSCRIPT_PARAMS = "start 20 5 ."

PACKAGES =+ "${PN}-data"
FILES:${PN}-data = "${datadir}/tiny/real"
FILES:${PN} += "${sysconfdir}/init.d ${datadir}/tiny/link"

do_install:append() {
    install -d ${D}${sysconfdir}/init.d ${D}${datadir}/tiny
    printf '#!/bin/sh\nmodprobe one\n' > ${D}${sysconfdir}/init.d/tiny
    chmod 0755 ${D}${sysconfdir}/init.d/tiny
    echo real > ${D}${datadir}/tiny/real
    ln -s real ${D}${datadir}/tiny/link
}
