SUMMARY = "PACKAGECONFIG, inherit_defer, include of several files, flags that are added to"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

include one.inc two.inc
inherit_defer ${PARTS}
PARTS = "module"

PACKAGECONFIG ??= "loud"
PACKAGECONFIG[loud] = "LOUD=1,LOUD=0,,kmod,udev"
PACKAGECONFIG[quiet] = "QUIET=1,QUIET=0,,never"

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

do_compile[postfuncs] += "said"
do_compile[dirs] =+ "${B}/made"
said() {
    test -d ${B}/made
    echo "${PACKAGECONFIG_CONFARGS}" > ${B}/said.txt
}
do_install:append() {
    install -D -m 0644 ${B}/said.txt ${D}${sysconfdir}/said.txt
}
FILES:${PN}:append = " ${sysconfdir}"
