LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

A = "1"
A += "2"
A =+ "0"
A .= "3"
A =. "x"
B_VALUE ?= "first"
B_VALUE ?= "second"
C ??= "weak"
C ??= "weaker"
D_VALUE := "${A}"
A:append = " end"
A:prepend = "begin "
A:remove = "23"
E = "a b c"
E:remove = "b"
F = "${@d.getVar('E').split()}"
unset G
G = "kept"
export TINY_EXPORTED = "yes"

do_compile:prepend() {
    test "$TINY_EXPORTED" = yes
}
