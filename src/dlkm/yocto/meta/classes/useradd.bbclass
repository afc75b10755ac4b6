# SPDX-License-Identifier: GPL-2.0-or-later
# Users and groups that a package needs; they are made on the target by its preinst.
USERADD_PACKAGES ??= ""
USERADD_PARAM ??= ""
GROUPADD_PARAM ??= ""
GROUPMEMS_PARAM ??= ""
PACKAGESPLITFUNCS =+ "useradd_populate_packages"

python useradd_populate_packages() {
    oe.services.settle_users(d)
}
