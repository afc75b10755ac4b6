# SPDX-License-Identifier: GPL-2.0-or-later
"""Speed as ratios to a peer measured in the same run; `make bench` prints the table."""
