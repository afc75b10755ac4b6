# SPDX-License-Identifier: GPL-2.0-or-later
"""`python -m dlkm`."""

from dlkm.cli.start import entry

entry()
