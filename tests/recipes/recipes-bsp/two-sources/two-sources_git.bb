# Two repositories, each with its name and its directory.
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://wlan_tiny.c;endline=1;md5=fcab174c20ea2e2bc0be64b493708266 \
                    file://gpu/adreno.c;endline=1;md5=fcab174c20ea2e2bc0be64b493708266"

inherit module

PV = "3.0"
SRC_URI = "git://git.example.com/bsp/wlan-tiny.git;protocol=https;branch=main;name=wlan;destsuffix=tree \
           git://git.example.com/bsp/kgsl.git;protocol=https;branch=main;name=gpu;destsuffix=tree/gpu"
SRCREV_wlan = "@wlan@"
SRCREV_gpu = "@kgsl@"
SRCREV_FORMAT = "wlan_gpu"
S = "${UNPACKDIR}/tree"

EXTRA_OEMAKE += "KSRC=${STAGING_KERNEL_DIR} CONFIG_WLAN_TINY=m"
MAKE_TARGETS = "modules"

do_compile:append() {
    oe_runmake -C ${S}/gpu CC="${KERNEL_CC}" LD="${KERNEL_LD}" O=${STAGING_KERNEL_BUILDDIR} modules
}

do_install:append() {
    oe_runmake -C ${S}/gpu DEPMOD=echo MODLIB=${D}${nonarch_base_libdir}/modules/${KERNEL_VERSION} \
        O=${STAGING_KERNEL_BUILDDIR} modules_install
}
