LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

PLACE = "somewhere"
PLACE:qemux86-64 = "in a PC"
PLACE:qemuarm64 = "on an Arm board"
PLACE:append:x86-64 = ", wide"
PLACE:append:armv7a = ", narrow"
KERNEL_MODULE_AUTOLOAD:qemux86-64 = "one"
KERNEL_MODULE_AUTOLOAD:append:qemuarm64 = " nothing"
SRC_URI:append:qemux86-64 = " file://only-pc.conf"

do_install:append:qemux86-64() {
    install -Dm0644 ${UNPACKDIR}/only-pc.conf ${D}${sysconfdir}/only-pc.conf
}
do_install:append:qemuarm64() {
    bbfatal "not for this machine"
}
FILES:${PN}:qemux86-64 = "${sysconfdir}"
