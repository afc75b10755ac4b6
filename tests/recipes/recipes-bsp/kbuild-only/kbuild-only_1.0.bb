LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/kbuild:"

inherit module

SRC_URI = "file://Kbuild file://below"
S = "${UNPACKDIR}"

EXTRA_OEMAKE += "-C ${STAGING_KERNEL_DIR} M=${S}"
MAKE_TARGETS = "modules"
KERNEL_MODULE_AUTOLOAD = "Mixed_Case"
