# SPDX-License-Identifier: GPL-2.0-or-later
# Sources that lie somewhere already: EXTERNALSRC takes the place of what SRC_URI would unpack.
EXTERNALSRC_SYMLINKS ?= ""
python () {
    oe.recipe.settle_externalsrc(d)
}

python externalsrc_copy() {
    source = d.getVar('EXTERNALSRC')
    if not os.path.isdir(source):
        bb.fatal("EXTERNALSRC = %s: no such directory here; --layer shows a directory to recipes" % source)
    oe.path.copytree(source, d.getVar('S'))
}
