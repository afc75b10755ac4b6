# SPDX-License-Identifier: GPL-2.0-or-later
# Licence texts are checked by the task that base declares.
