# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel of dlkm is there already.
