LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

def header_of(d, words):
    lines = ['/* made by a task */']
    lines += ['#define %s 1' % word.upper() for word in words]
    return '\n'.join(lines) + '\n'

python do_make_header() {
    import os
    path = os.path.join(d.getVar('S'), 'made.h')
    with open(path, 'w') as stream:
        stream.write(header_of(d, (d.getVar('CELLS') or '').split()))
    bb.note('wrote %s' % path)
}
addtask make_header after do_patch before do_configure
do_make_header[vardeps] += "CELLS"

CELLS = "left right"

do_compile:prepend() {
    test -s ${S}/made.h || bbfatal "the task did not run"
    grep -q 'LEFT 1' ${S}/made.h
    sed -i '1a #include "made.h"' ${S}/one.c
}
