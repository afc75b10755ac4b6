LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/kdir:"

inherit module

SRC_URI = "file://Makefile file://kdir_tiny.c"
S = "${UNPACKDIR}"

FLAVOUR = "vanilla"
FLAVOUR:x86-64 = "mint"
EXTRA_OEMAKE:append = " KDIR=${STAGING_KERNEL_DIR} FLAVOUR=${FLAVOUR}"
MAKE_TARGETS = "special"
MODULES_INSTALL_TARGET = "special_install"
