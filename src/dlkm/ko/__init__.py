# SPDX-License-Identifier: GPL-2.0-or-later
"""A module file as a value: reads, never judges."""
