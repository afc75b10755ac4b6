# SPDX-License-Identifier: GPL-2.0-or-later
"""Yocto recipes: their text, and what BitBake makes of it."""
