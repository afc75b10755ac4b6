SUMMARY = "Under a licence that must be accepted first"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
LICENSE_FLAGS = "commercial"

FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"
