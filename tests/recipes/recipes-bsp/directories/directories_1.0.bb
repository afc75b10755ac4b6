SUMMARY = "Several directories, each built by the class's own functions"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:${THISDIR}/../../sources/kgsl:"

inherit module

SRC_URI = "file://one.c;subdir=first \
           file://Makefile;subdir=first \
           "
S = "${UNPACKDIR}"

do_configure:append() {
    cp -r ${S}/first ${S}/second
    mv ${S}/second/one.c ${S}/second/two.c
    sed -i 's/one/two/' ${S}/second/Makefile
}

do_compile() {
    for directory in first second; do
        cd ${S}/$directory
        module_do_compile
    done
}

do_install() {
    for directory in first second; do
        cd ${S}/$directory
        module_do_install
    done
}
