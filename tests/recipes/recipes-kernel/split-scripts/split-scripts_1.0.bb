LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

SUMMARY = "Scripts and relations of the packages that the split makes"
RDEPENDS:kernel-module-one-${KERNEL_VERSION} = "kmod (>= 29)"
pkg_prerm:kernel-module-one-${KERNEL_VERSION} () {
    rmmod one || true
}
