# SPDX-License-Identifier: GPL-2.0-or-later
"""One driver and one kernel make modules."""
