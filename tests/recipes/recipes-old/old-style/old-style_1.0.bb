# As it was written before Yocto 3.4, and is still found.
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS_prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
SRC_URI_append = " file://old.conf"
SRC_URI_append_qemuarm64 = " file://is-not-there"
S = "${WORKDIR}"

EXTRA_OEMAKE_append = " KBUILD_VERBOSE=0"

do_install_append() {
    install -d ${D}${sysconfdir}
    install -m 0644 ${WORKDIR}/old.conf ${D}${sysconfdir}/old.conf
}

PACKAGES =+ "${PN}-conf"
FILES_${PN}-conf = "${sysconfdir}/old.conf"
RDEPENDS_${PN} += "${PN}-conf"
RDEPENDS_${PN}_append_qemux86-64 = " pciutils"
RPROVIDES_${PN} = "virtual-old"
CONFFILES_${PN}-conf = "${sysconfdir}/old.conf"
KERNEL_MODULE_AUTOLOAD_append_x86-64 = " one"
COMPATIBLE_MACHINE_qemuarm64 = "^$"

pkg_postinst_${PN}-conf () {
    echo configured
}

python populate_packages_prepend () {
    d.appendVar('RSUGGESTS_' + d.getVar('PN'), 'strace')
}
