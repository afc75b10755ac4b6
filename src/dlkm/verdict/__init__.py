# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel will say of a module: rules, eras, messages."""
