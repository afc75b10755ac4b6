# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver as a value: what its Makefile or Kbuild asks for."""
