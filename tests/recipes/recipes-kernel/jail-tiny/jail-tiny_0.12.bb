SUMMARY = "Does compiling and installing wholly by itself"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c file://jail-tiny.service file://jail-tiny.sh"
S = "${UNPACKDIR}"

do_configure() {
    echo '#define CELLS 4' > ${S}/cells.h
}

do_compile() {
    unset CFLAGS CPPFLAGS CXXFLAGS LDFLAGS
    oe_runmake V=1 \
        ARCH=${ARCH} CROSS_COMPILE=${TARGET_PREFIX} \
        CC="${KERNEL_CC}" LD="${KERNEL_LD}" \
        KDIR=${STAGING_KERNEL_BUILDDIR} \
        modules
}

do_install() {
    oe_runmake DEPMOD=echo MODLIB="${D}${nonarch_base_libdir}/modules/${KERNEL_VERSION}" \
        CC="${KERNEL_CC}" LD="${KERNEL_LD}" \
        modules_install
    install -d ${D}${systemd_system_unitdir} ${D}${sbindir}
    install -m 0644 ${UNPACKDIR}/jail-tiny.service ${D}${systemd_system_unitdir}/
    install -m 0755 ${UNPACKDIR}/jail-tiny.sh ${D}${sbindir}/jail-tiny
}

PACKAGE_BEFORE_PN = "${PN}-tools"
FILES:${PN}-tools = "${sbindir}"
FILES:${PN} += "${systemd_system_unitdir}"
RDEPENDS:${PN} += "${PN}-tools"
