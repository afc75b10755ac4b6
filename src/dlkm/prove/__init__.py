# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot the kernel, load the modules, compare with the prediction."""
