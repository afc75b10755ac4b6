# SPDX-License-Identifier: GPL-2.0-or-later
# Manual pages are not made.
