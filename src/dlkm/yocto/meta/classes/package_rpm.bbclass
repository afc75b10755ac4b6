# SPDX-License-Identifier: GPL-2.0-or-later
# The format of packages is chosen afterwards.
