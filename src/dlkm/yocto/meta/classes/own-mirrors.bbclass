# SPDX-License-Identifier: GPL-2.0-or-later
# SOURCE_MIRROR_URL is asked before the network, for every kind of source.
PREMIRRORS:prepend = " \
    git://.*/.* ${SOURCE_MIRROR_URL} gitsm://.*/.* ${SOURCE_MIRROR_URL} svn://.*/.* ${SOURCE_MIRROR_URL} \
    hg://.*/.* ${SOURCE_MIRROR_URL} https?://.*/.* ${SOURCE_MIRROR_URL} ftp://.*/.* ${SOURCE_MIRROR_URL} "
