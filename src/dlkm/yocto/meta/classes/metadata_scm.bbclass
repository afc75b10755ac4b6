# SPDX-License-Identifier: GPL-2.0-or-later
# Layers have no history here.
