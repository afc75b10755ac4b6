# SPDX-License-Identifier: GPL-2.0-or-later
# No package of programs apart.
PACKAGE_BEFORE_PN = "${PN}-bin"
