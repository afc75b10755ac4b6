# SPDX-License-Identifier: GPL-2.0-or-later
# Work directories never stay.
