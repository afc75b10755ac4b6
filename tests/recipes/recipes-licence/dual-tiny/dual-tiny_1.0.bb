LICENSE = "GPL-2.0-only | MIT"
LIC_FILES_CHKSUM = " \
    file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6 \
    file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302 \
    file://Makefile;beginline=2;endline=3;md5=@lines@ \
"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"
