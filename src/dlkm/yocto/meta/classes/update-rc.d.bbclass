# SPDX-License-Identifier: GPL-2.0-or-later
# A start script INITSCRIPT_NAME with INITSCRIPT_PARAMS; with systemd alone it is not started.
INITSCRIPT_PARAMS ?= "defaults"
INIT_D_DIR ??= "${sysconfdir}/init.d"
PACKAGESPLITFUNCS =+ "populate_packages_updatercd"

updatercd_postinst() {
if type update-rc.d >/dev/null 2>/dev/null; then
	if [ -n "$D" ]; then
		OPT="-r $D"
	else
		OPT="-s"
	fi
	update-rc.d $OPT ${INITSCRIPT_NAME} ${INITSCRIPT_PARAMS}
fi
}

updatercd_prerm() {
if [ -z "$D" -a -x "${INIT_D_DIR}/${INITSCRIPT_NAME}" ]; then
	${INIT_D_DIR}/${INITSCRIPT_NAME} stop || :
fi
}

updatercd_postrm() {
if type update-rc.d >/dev/null 2>/dev/null; then
	if [ -n "$D" ]; then
		OPT="-f -r $D"
	else
		OPT="-f"
	fi
	update-rc.d $OPT ${INITSCRIPT_NAME} remove
fi
}

python populate_packages_updatercd() {
    oe.services.settle_initscripts(d)
}
