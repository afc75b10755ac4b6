# SPDX-License-Identifier: GPL-2.0-or-later
# Names that several packages offer; the scripts register them on the target.
ALTERNATIVE_PRIORITY ??= "10"
PACKAGESPLITFUNCS =+ "update_alternatives_populate"

python update_alternatives_populate() {
    oe.services.settle_alternatives(d)
}
