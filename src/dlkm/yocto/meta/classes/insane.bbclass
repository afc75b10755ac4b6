# SPDX-License-Identifier: GPL-2.0-or-later
# Checks of finished packages; those that matter here are made where the packages are.
