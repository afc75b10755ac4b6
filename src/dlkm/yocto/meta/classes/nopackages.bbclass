# SPDX-License-Identifier: GPL-2.0-or-later
# A recipe that makes no packages.
deltask do_package
deltask do_packagedata
