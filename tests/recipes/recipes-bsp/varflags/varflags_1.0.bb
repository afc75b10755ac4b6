LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

do_install[dirs] = "${WORKDIR}/place ${B}"
do_install[postfuncs] += "put_conf"
do_compile[prefuncs] += "say_so"

say_so() {
    bbnote "compiling in $(pwd)"
    echo said > ${WORKDIR}/said
}

put_conf() {
    test -d ${WORKDIR}/place
    install -Dm0644 ${WORKDIR}/said ${D}${datadir}/varflags/said
}

GREETINGS[short] = "hi"
GREETINGS[long] = "good morning"
GREETING = "${@d.getVarFlag('GREETINGS', 'long')}"
FILES:${PN} += "${datadir}/varflags"
