# A recipe of the days when git went to WORKDIR/git, still in use with scarthgap.
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://wlan_tiny.c;beginline=1;endline=1;md5=fcab174c20ea2e2bc0be64b493708266"

SRC_URI = "git://git.example.com/bsp/wlan-tiny.git;protocol=https;branch=main"
SRCREV = "@wlan@"
PV = "1.4"
S = "${WORKDIR}/git"

inherit module

EXTRA_OEMAKE = "-C ${STAGING_KERNEL_DIR} M=${S} CONFIG_WLAN_TINY=m"
MAKE_TARGETS = "modules"
