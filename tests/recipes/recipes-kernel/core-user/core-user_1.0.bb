SUMMARY = "Uses symbols of a recipe that provides what it is not called"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/user:"

DEPENDS = "kernel-module-core-tiny"

inherit module

SRC_URI = "file://Makefile file://symbol_user.c"
S = "${UNPACKDIR}"
