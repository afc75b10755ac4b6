FILESEXTRAPATHS:prepend := "${THISDIR}/files:"

SRC_URI += "file://99-tiny.conf"

KERNEL_MODULE_AUTOLOAD:remove = "one"
KERNEL_MODULE_PROBECONF += "one"
module_conf_one = "softdep one pre: evdev"

do_install:append() {
    install -Dm0644 ${UNPACKDIR}/99-tiny.conf ${D}${sysconfdir}/sysctl.d/99-tiny.conf
}

FILES:${PN} += "${sysconfdir}/sysctl.d"
CONFFILES:${PN} = "${sysconfdir}/sysctl.d/99-tiny.conf"
