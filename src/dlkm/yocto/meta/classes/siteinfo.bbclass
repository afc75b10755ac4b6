# SPDX-License-Identifier: GPL-2.0-or-later
# Nothing to know for modules.
SITEINFO_BITS = "${@'64' if '64' in d.getVar('TARGET_ARCH') else '32'}"
SITEINFO_ENDIANNESS = "${@'be' if d.getVar('TARGET_ARCH') in ('powerpc', 'powerpc64', 's390x') else 'le'}"
