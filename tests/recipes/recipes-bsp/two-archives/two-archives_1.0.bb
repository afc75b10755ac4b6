SUMMARY = "Two archives by name, one in a directory of its own, one that stays packed"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

inherit module

SRC_URI = "https://downloads.example.com/tiny/archive-tiny-1.2.tar;name=driver;subdir=driver \
           https://downloads.example.com/data/packed.tar;name=data;unpack=0;downloadfilename=two-archives-data.tar \
           "
SRC_URI[driver.sha256sum] = "@archive@"
SRC_URI[data.sha256sum] = "@archive@"
S = "${UNPACKDIR}/driver/archive-tiny-1.2"

do_install:append() {
    install -D -m 0644 ${UNPACKDIR}/two-archives-data.tar ${D}${datadir}/tiny/data.tar
}
FILES:${PN} += "${datadir}/tiny"
