# SPDX-License-Identifier: GPL-2.0-or-later
"""One versioned document per command; renders, computes nothing."""
