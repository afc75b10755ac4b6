# SPDX-License-Identifier: GPL-2.0-or-later
# Patches of SRC_URI are applied by the task that `base` declares.
python patch_do_patch() {
    oe.patch.apply_all(d)
}

EXPORT_FUNCTIONS do_patch
