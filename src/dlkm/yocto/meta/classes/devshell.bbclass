# SPDX-License-Identifier: GPL-2.0-or-later
# There is no shell to give.
