# SPDX-License-Identifier: GPL-2.0-or-later
# Packages are described where they are made.
