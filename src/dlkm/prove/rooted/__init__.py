# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots a root filesystem with its own init, and holds what it does with modules against what its files say."""
