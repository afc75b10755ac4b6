# SPDX-License-Identifier: GPL-2.0-or-later
# Builds are reproducible anyway.
