# SPDX-License-Identifier: GPL-2.0-or-later
"""What files of modules end in, packed or not; alone here, so that it is had without loading more."""

MODULE_SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")
