# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables: what differs between architectures, kernels and distributions."""
