# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem that gets modules: plan, apply, depmod, conf files."""
