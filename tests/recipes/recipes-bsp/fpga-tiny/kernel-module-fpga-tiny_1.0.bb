SUMMARY = "Gates, and their symbols for other modules"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources:"

inherit module

SRC_URI = "file://fpga"
S = "${UNPACKDIR}/fpga"

MODULES_MODULE_SYMVERS_LOCATION = "drivers/fpga"
COMPATIBLE_MACHINE = "zynq|zynqmp|qemux86-64"
