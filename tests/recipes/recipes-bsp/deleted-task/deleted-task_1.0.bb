LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

do_spoil() {
    rm -f ${S}/one.c
}
addtask spoil after do_unpack before do_patch
deltask spoil

do_check() {
    test -f ${D}${nonarch_base_libdir}/modules/${KERNEL_VERSION}/extra/one.ko
    install -Dm0644 /dev/null ${D}${sysconfdir}/checked
}
addtask check after do_install before do_package
FILES:${PN} += "${sysconfdir}/checked"
