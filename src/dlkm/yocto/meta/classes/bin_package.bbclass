# SPDX-License-Identifier: GPL-2.0-or-later
# A recipe whose sources are the finished files.
INHIBIT_PACKAGE_STRIP = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"
bin_package_do_install() {
	[ -n "$(ls -A ${S})" ] || bbfatal "bin_package has nothing to install"
	cp -a ${S}/. ${D}/
	rm -rf ${D}/.git ${D}/patches ${D}/.pc
}
FILES:${PN} = "/"
EXPORT_FUNCTIONS do_install
