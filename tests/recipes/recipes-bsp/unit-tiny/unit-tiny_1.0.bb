SUMMARY = "A driver with a unit of systemd, and a package that is called otherwise"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module systemd

SRC_URI = "file://Makefile file://one.c file://tiny.service"
S = "${UNPACKDIR}"

do_install:append() {
    install -D -m 0644 ${UNPACKDIR}/tiny.service ${D}${systemd_system_unitdir}/tiny.service
    install -d ${D}${sysconfdir}/default
    echo LEVEL=1 > ${D}${sysconfdir}/default/tiny
}

SYSTEMD_SERVICE:${PN} = "tiny.service"
PACKAGES =+ "${PN}-defaults"
FILES:${PN}-defaults = "${sysconfdir}/default"
CONFFILES:${PN}-defaults = "${sysconfdir}/default/tiny"
PKG:${PN}-defaults = "tiny-defaults"
RDEPENDS:${PN} += "${PN}-defaults"

pkg_postinst_ontarget:${PN}() {
    echo first boot
}
