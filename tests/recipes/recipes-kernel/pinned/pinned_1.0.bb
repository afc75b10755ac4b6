# Bound to the kernel in every way that recipes do it.
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

DEPENDS += "virtual/kernel"
RDEPENDS:${PN} += "kernel-${KERNEL_VERSION}"
PLACES = "${STAGING_KERNEL_DIR} ${STAGING_KERNEL_BUILDDIR}"

do_compile:prepend() {
    test -e ${STAGING_KERNEL_BUILDDIR}/.config
    test "$KERNEL_VERSION" = "${KERNEL_VERSION}"
    test -n "$ARCH" -a -n "$CROSS_COMPILE"
}
