# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel as a value, and the pool that keeps kernels."""
