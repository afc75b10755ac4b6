# SPDX-License-Identifier: GPL-2.0-or-later
"""Many drivers for many kernels: the project file, the cells that follow from it, and what is known of each."""
