# The name of the module, not of its file: it is silently ignored.
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/touch:"

inherit module

SRC_URI = "file://Makefile file://touch-tiny.c"
S = "${UNPACKDIR}"

KERNEL_MODULE_AUTOLOAD += "touch_tiny"
