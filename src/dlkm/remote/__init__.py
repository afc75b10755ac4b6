# SPDX-License-Identifier: GPL-2.0-or-later
"""A Remote Execution API v2 service: its cache and its workers. Knows actions by content, nothing of kernels."""
