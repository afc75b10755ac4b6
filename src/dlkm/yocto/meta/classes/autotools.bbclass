# SPDX-License-Identifier: GPL-2.0-or-later
# ./configure with the directories of the target.
EXTRA_OECONF ?= ""
CONFIGUREOPTS = "--build=${BUILD_SYS} --host=${HOST_SYS} --target=${TARGET_SYS} --prefix=${prefix} --exec_prefix=${exec_prefix} \
    --bindir=${bindir} --sbindir=${sbindir} --libexecdir=${libexecdir} --datadir=${datadir} --sysconfdir=${sysconfdir} \
    --sharedstatedir=${sharedstatedir} --localstatedir=${localstatedir} --libdir=${libdir} --includedir=${includedir} \
    --oldincludedir=${oldincludedir} --infodir=${infodir} --mandir=${mandir} --disable-silent-rules"
CONFIGURE_SCRIPT ?= "${S}/configure"
B = "${WORKDIR}/build"
do_configure[cleandirs] = "${@d.getVar('B') if d.getVar('B') != d.getVar('S') else ''}"

oe_runconf() {
	${CONFIGURE_SCRIPT} ${CONFIGUREOPTS} ${EXTRA_OECONF} "$@" || bbfatal_log "configure failed"
}
autotools_do_configure() {
	if [ ! -e "${CONFIGURE_SCRIPT}" ] && [ -e "${S}/configure.ac" -o -e "${S}/configure.in" ]; then
		(cd ${S} && autoreconf --force --install)
	fi
	if [ -e "${CONFIGURE_SCRIPT}" ]; then
		oe_runconf
	else
		bbnote "nothing to configure"
	fi
}
autotools_do_compile() {
	oe_runmake
}
autotools_do_install() {
	oe_runmake "DESTDIR=${D}" install
}
EXPORT_FUNCTIONS do_configure do_compile do_install
