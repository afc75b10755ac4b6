# SPDX-License-Identifier: GPL-2.0-or-later
"""One file a verb: arguments, library call, report, exit status."""
