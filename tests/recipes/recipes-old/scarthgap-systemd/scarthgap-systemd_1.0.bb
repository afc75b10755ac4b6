LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://one.c;endline=1;md5=fcab174c20ea2e2bc0be64b493708266"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

SRC_URI = "file://Makefile file://one.c"
S = "${WORKDIR}"

inherit module

KERNEL_MODULE_AUTOLOAD = "one"
KERNEL_MODULE_PROBECONF = "one"
module_conf_one = "options one x=1"
DISTRO_FEATURES:append = " systemd"
