# SPDX-License-Identifier: GPL-2.0-or-later
# Sysroots are handled by the tasks that base declares.
