# Patches with another depth, in a directory, left alone, and with the other suffix.
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

SRC_URI += "file://deep.patch;striplevel=3 \
            file://below.patch;patchdir=sub \
            file://not-applied.patch;apply=no \
            file://sub \
            file://series.diff"
