# SPDX-License-Identifier: GPL-2.0-or-later
# Modules have no run paths.
