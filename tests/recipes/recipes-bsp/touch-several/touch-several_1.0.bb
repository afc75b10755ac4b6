LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"
SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"
inherit module

# Loaded with what it needs before it.
KERNEL_MODULE_AUTOLOAD = "one"
module_autoload_one = "evdev one"
