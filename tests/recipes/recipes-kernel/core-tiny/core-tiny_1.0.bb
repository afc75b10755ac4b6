SUMMARY = "Exports symbols under a name that users of it can depend on"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/fpga:"

inherit module

PROVIDES += "kernel-module-core-tiny"

SRC_URI = "file://Makefile file://drivers"
S = "${UNPACKDIR}"
MODULES_MODULE_SYMVERS_LOCATION = "drivers/fpga"

# The class looks for the symbols below the word in DEPENDS, and installs them below this recipe's own name.
do_install:append() {
    install -d ${D}${includedir}/kernel-module-core-tiny
    ln -s ../${BPN}/Module.symvers ${D}${includedir}/kernel-module-core-tiny/Module.symvers
}
