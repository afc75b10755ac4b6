# SPDX-License-Identifier: GPL-2.0-or-later
# Tests on the target are not built.
