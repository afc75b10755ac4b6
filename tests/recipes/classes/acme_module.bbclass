# A vendor's layer above the module class.
inherit module

ACME_BOARD ?= "blue"
EXTRA_OEMAKE += "BOARD=${ACME_BOARD}"

acme_module_do_install() {
    module_do_install
    install -Dm0644 /dev/null ${D}${sysconfdir}/acme-${ACME_BOARD}
}
EXPORT_FUNCTIONS do_install

FILES:${PN} += "${sysconfdir}"
