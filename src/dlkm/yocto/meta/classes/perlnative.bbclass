# SPDX-License-Identifier: GPL-2.0-or-later
# Perl of this machine.
