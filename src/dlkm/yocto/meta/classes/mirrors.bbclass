# SPDX-License-Identifier: GPL-2.0-or-later
# Public mirrors of sources: none is asked unless a recipe or its user names it.
