# SPDX-License-Identifier: GPL-2.0-or-later
# autotools in the source directory itself.
inherit autotools
B = "${S}"
