# SPDX-License-Identifier: GPL-2.0-or-later
# A recipe with a configuration like the kernel's: the tasks that change it by hand are not for a build.
cml1_do_configure() {
	set -e
	unset CFLAGS CPPFLAGS CXXFLAGS LDFLAGS
	yes '' | oe_runmake oldconfig
}
EXPORT_FUNCTIONS do_configure
