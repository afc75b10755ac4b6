# SPDX-License-Identifier: GPL-2.0-or-later
# What a recipe leaves beside its packages (device trees, firmware images) goes into DEPLOYDIR, and into the build's output.
DEPLOYDIR = "${WORKDIR}/deploy-${PN}"
do_deploy[dirs] = "${DEPLOYDIR} ${B}"
do_deploy[cleandirs] = "${DEPLOYDIR}"
do_deploy[stamp-extra-info] = "${MACHINE_ARCH}"
