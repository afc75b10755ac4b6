SUMMARY = "Mostly in an include file"
FLAVOUR ?= "strong"
KERNEL_MODULE_AUTOLOAD = ""

require required-tiny.inc
include is-not-there.inc

EXTRA_OEMAKE += "FLAVOUR=${FLAVOUR}"
