# SPDX-License-Identifier: GPL-2.0-or-later
# Versions from the number of commits (meta-openembedded); here by the revision alone.
GITPKGV = "0+${@(d.getVar('SRCREV') or '')[:7]}"
GITPKGVTAG = "${GITPKGV}"
