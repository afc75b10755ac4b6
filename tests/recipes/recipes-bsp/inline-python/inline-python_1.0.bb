LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

FEATURE = "${@bb.utils.contains('MACHINE_FEATURES', 'nothing-has-this', 'with', 'without', d)}"
SHOUTED = "${@d.getVar('FEATURE').upper()}"
MAJOR = "${@d.getVar('KERNEL_VERSION').split('.')[0]}"
KERNEL_MODULE_AUTOLOAD = "${@'one' if bb.utils.vercmp_string(d.getVar('KERNEL_VERSION'), '4.0') > 0 else ''}"
TRIMMED = "${@oe.utils.trim_version('4.5.6', 2)}"
