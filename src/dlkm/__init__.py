# SPDX-License-Identifier: GPL-2.0-or-later
"""Out-of-tree Linux kernel modules, from source to proven load."""

__version__ = "0.1.0"
