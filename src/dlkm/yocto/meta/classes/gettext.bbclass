# SPDX-License-Identifier: GPL-2.0-or-later
# Translations are not made.
