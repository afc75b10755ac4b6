SUMMARY = "Wi-Fi driver of a board, from its maker's repository"
LICENSE = "GPL-2.0-only | BSD-3-Clause"
LIC_FILES_CHKSUM = "file://wlan_tiny.c;beginline=1;endline=1;md5=fcab174c20ea2e2bc0be64b493708266"

inherit module

PV = "1.4+git"
SRCREV = "@wlan@"
SRC_URI = "git://git.example.com/bsp/wlan-tiny.git;protocol=https;branch=main"

EXTRA_OEMAKE += "KSRC=${STAGING_KERNEL_DIR} CONFIG_WLAN_TINY=m"
MAKE_TARGETS = "modules"

do_install:append() {
    install -d ${D}${nonarch_base_libdir}/firmware
    install -m 0644 ${S}/wlan_tiny.bin ${D}${nonarch_base_libdir}/firmware/
    # A program for the radio's own processor (e_type 2, e_machine 164): nothing here can strip it, and nothing is to.
    printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\244\0' > ${D}${nonarch_base_libdir}/firmware/wlan_dsp.elf
    chmod 0644 ${D}${nonarch_base_libdir}/firmware/wlan_dsp.elf
}

PACKAGES =+ "${PN}-firmware"
FILES:${PN}-firmware = "${nonarch_base_libdir}/firmware/*"
LICENSE:${PN}-firmware = "CLOSED"
RRECOMMENDS:${PN} += "${PN}-firmware"

KERNEL_MODULE_AUTOLOAD += "wlan_tiny"
