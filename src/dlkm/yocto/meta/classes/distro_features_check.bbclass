# SPDX-License-Identifier: GPL-2.0-or-later
# The former name of features_check.
inherit features_check
