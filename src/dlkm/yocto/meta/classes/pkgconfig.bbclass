# SPDX-License-Identifier: GPL-2.0-or-later
# pkg-config looks into the recipe's own sysroot.
export PKG_CONFIG_DIR = "${STAGING_DIR_HOST}${libdir}/pkgconfig"
export PKG_CONFIG_PATH = "${PKG_CONFIG_DIR}:${STAGING_DATADIR}/pkgconfig"
export PKG_CONFIG_SYSROOT_DIR = "${STAGING_DIR_HOST}"
DEPENDS:prepend = "pkgconfig-native "
