# SPDX-License-Identifier: GPL-2.0-or-later
# Tools of this machine are taken from it.
