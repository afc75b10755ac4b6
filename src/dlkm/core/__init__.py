# SPDX-License-Identifier: GPL-2.0-or-later
"""Words and hands shared by every room."""
