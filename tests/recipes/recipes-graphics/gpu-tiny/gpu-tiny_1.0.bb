SUMMARY = "A driver deep in the tree of its maker"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://driver/product/core.c;beginline=1;endline=1;md5=fcab174c20ea2e2bc0be64b493708266"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources:"

inherit module

SRC_URI = "file://gpu"
S = "${UNPACKDIR}/gpu"
B = "${S}/driver/product"
