# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kind of image or archive a file is, opened as one. Changes nothing."""

from pathlib import Path
from typing import BinaryIO

from dlkm.core.errors import MalformedError
from dlkm.core.files import open_regular
from dlkm.core.processes import Runner
from dlkm.filesystem.cpio import CpioArchive, holds_cpio
from dlkm.filesystem.ext import ExtImage, holds_ext
from dlkm.filesystem.members import Holder
from dlkm.filesystem.packing import Packing, packing_of, peek
from dlkm.filesystem.tar import holds_tar, open_tar

# What users have and what cannot be opened as it is: magic, where it stands, what it is, what to do.
_OTHERS = (
    (b"hsqs", 0, "a squashfs image", "unsquashfs {path}, then name the directory it makes"),
    (b"\xe2\xe1\xf5\xe0", 0x400, "an EROFS image", "fsck.erofs --extract=DIR {path}, then name DIR"),
    (b"_BHRfS_M", 0x10040, "a btrfs image", "mount it, then name the directory"),
    (b"XFSB", 0, "an XFS image", "mount it, then name the directory"),
    (b"\x3a\xff\x26\xed", 0, "an Android sparse image", "simg2img {path} plain.img, then name plain.img"),
    (b"EFI PART", 0x200, "a disk with partitions", "name a file that holds only the root filesystem's partition"),
    (b"\x55\xaa", 0x1FE, "a disk with partitions", "name a file that holds only the root filesystem's partition"),
)


def open_holder(path: Path, scratch: Path, runner: Runner) -> Holder:
    """The image or archive in a file; what has to be unpacked on the way lies in `scratch`, which must exist.

    UsageError for what is no regular file, MalformedError for one that is nothing of the kind, is damaged or cut off.
    """
    with open_regular(path) as stream:
        start = peek(stream, Packing.NONE, str(path))
        if not start:
            raise MalformedError(f"{path}: is empty")
        if holds_ext(start):
            return ExtImage(path, scratch, runner)
        packing = packing_of(start)
        if packing is not Packing.NONE:
            start = peek(stream, packing, str(path))
        if holds_cpio(start):
            return CpioArchive(path, scratch)
        if not holds_tar(start):
            _refuse(path, packing, start, stream)
    return open_tar(path, packing, scratch)


def _refuse(path: Path, packing: Packing, start: bytes, stream: BinaryIO) -> None:
    """MalformedError for what is known and cannot be opened as it is; the rest may be a tar archive of old."""
    if packing is not Packing.NONE:
        if holds_ext(start):
            raise MalformedError(f"{path}: is a packed image ({packing})", hint="unpack it, then name what comes out")
        return
    for magic, place, what, hint in _OTHERS:
        stream.seek(place)
        if stream.read(len(magic)) == magic:
            raise MalformedError(f"{path}: is {what}", hint=hint.format(path=path))
