# SPDX-License-Identifier: GPL-2.0-or-later
# Units: SYSTEMD_SERVICE:PACKAGE are enabled by the package's scripts, and belong to its FILES.
SYSTEMD_PACKAGES ??= "${PN}"
SYSTEMD_AUTO_ENABLE ??= "enable"
PACKAGESPLITFUNCS =+ "systemd_populate_packages"

systemd_postinst() {
if type systemctl >/dev/null 2>/dev/null; then
	OPTS=""
	if [ -n "$D" ]; then
		OPTS="--root=$D"
	fi
	if [ "${SYSTEMD_AUTO_ENABLE}" = "enable" ]; then
		for service in ${SYSTEMD_SERVICE_ESCAPED}; do
			systemctl ${OPTS} enable "$service"
		done
	fi
	if [ -z "$D" ]; then
		systemctl daemon-reload
		if [ "${SYSTEMD_AUTO_ENABLE}" = "enable" ]; then
			systemctl --no-block restart ${SYSTEMD_SERVICE_ESCAPED}
		fi
	fi
fi
}

systemd_prerm() {
if type systemctl >/dev/null 2>/dev/null; then
	if [ -z "$D" ]; then
		systemctl stop ${SYSTEMD_SERVICE_ESCAPED}
		systemctl disable ${SYSTEMD_SERVICE_ESCAPED}
	fi
fi
}

SYSTEMD_SERVICE_ESCAPED = "${@' '.join((d.getVar('SYSTEMD_SERVICE') or '').split())}"

# Without systemd no units are shipped, and without sysvinit no start scripts beside them.
do_install[postfuncs] += "${@'' if bb.utils.contains('DISTRO_FEATURES', 'systemd', True, False, d) else 'systemd_drop_units'}"
do_install[postfuncs] += "${@'' if bb.utils.contains('DISTRO_FEATURES', 'sysvinit', True, False, d) else 'systemd_drop_scripts'}"

systemd_drop_units() {
	rm -rf ${D}${systemd_unitdir}
	rmdir -p ${D}$(dirname ${systemd_unitdir}) 2>/dev/null || :
	mkdir -p ${D}
}

systemd_drop_scripts() {
	if [ -n "$(ls -A ${D}${systemd_system_unitdir} 2>/dev/null)" ]; then
		rm -rf ${D}${INIT_D_DIR}
		rmdir ${D}$(dirname ${INIT_D_DIR}) 2>/dev/null || :
	fi
}
INIT_D_DIR ??= "${sysconfdir}/init.d"

python systemd_populate_packages() {
    oe.services.settle_systemd(d)
}
