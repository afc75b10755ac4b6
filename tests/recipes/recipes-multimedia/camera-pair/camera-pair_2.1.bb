SUMMARY = "Sensor and bridge of a camera in one recipe"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/pair:"

inherit module

SRC_URI = "file://Makefile file://pair_back.c file://pair_front.c"
S = "${UNPACKDIR}"

KERNEL_MODULE_AUTOLOAD += "pair_front"
