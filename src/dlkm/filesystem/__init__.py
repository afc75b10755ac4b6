# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem in a file (ext2 to ext4, tar, cpio) as a value: what it holds, read and written anew."""
