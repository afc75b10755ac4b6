# SPDX-License-Identifier: GPL-2.0-or-later
# Packages that are the same for every machine.
PACKAGE_ARCH = "all"
TARGET_ARCH = "allarch"
TARGET_OS = "linux"
INHIBIT_DEFAULT_DEPS = "1"
INHIBIT_PACKAGE_STRIP = "1"
