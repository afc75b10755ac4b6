# SPDX-License-Identifier: GPL-2.0-or-later
# The machine is checked by dlkm doctor.
