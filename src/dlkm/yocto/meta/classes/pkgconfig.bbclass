# SPDX-License-Identifier: GPL-2.0-or-later
# The program itself; where it looks is the same for all recipes.
DEPENDS:prepend = "pkgconfig-native "
