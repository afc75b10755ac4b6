# SPDX-License-Identifier: GPL-2.0-or-later
# Python of this machine.
inherit python3-dir
PYTHON = "python3"
