LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
FILESEXTRAPATHS:prepend := "${THISDIR}/../../sources/one:"

inherit module

SRC_URI = "file://Makefile file://one.c"
S = "${UNPACKDIR}"

python () {
    if d.getVar('TARGET_ARCH') in ('x86_64', 'aarch64'):
        d.appendVar('KERNEL_MODULE_PROBECONF', ' one')
        d.setVar('module_conf_one', 'options one bits=%d' % (64 if d.getVar('SITEINFO_BITS') != '32' else 32))
    d.setVarFlag('do_compile', 'postfuncs', 'remember')
}

remember() {
    echo "compiled for ${KERNEL_VERSION}" > ${WORKDIR}/remembered
}
