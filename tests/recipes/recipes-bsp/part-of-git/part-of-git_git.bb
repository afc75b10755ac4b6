SUMMARY = "A directory of a repository, which is a bare Kbuild there"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

inherit module

PV = "1.0+git"
SRCREV = "@fpga@"
SRC_URI = "git://git.example.com/bsp/fpga.git;protocol=https;nobranch=1;subpath=drivers/fpga"
S = "${UNPACKDIR}/fpga"

EXTRA_OEMAKE += "-C ${STAGING_KERNEL_DIR} M=${B}"
MAKE_TARGETS = "modules"
