# SPDX-License-Identifier: GPL-2.0-or-later
# A recipe that wants, or cannot do with, features of the distribution, the machine or both.
python () {
    oe.recipe.check_features(d)
}
