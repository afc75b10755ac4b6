# Set before the class adds to it: KERNEL_SRC is kept.
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"
SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"
EXTRA_OEMAKE = "KBUILD_OPTIONS=KCFLAGS=-DGREETING=KBUILD_MODNAME"

inherit module
