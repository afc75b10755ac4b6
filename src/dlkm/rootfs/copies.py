# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether two module files are one module, however they are packed and stripped. Compares bytes; judges nothing."""

import hashlib
from enum import StrEnum

from dlkm.core.errors import DlkmError
from dlkm.ko.decompress import decompress
from dlkm.ko.elf import SHF_ALLOC, Elf
from dlkm.rootfs.root import Root

SIZE_LIMIT = 64 << 20  # bytes of a file that is compared; the largest modules have a tenth of that


class Likeness(StrEnum):
    """How two files are alike."""

    SAME = "same"  # byte for byte, once unpacked
    STRIPPED = "stripped"  # what is loaded is the same: debug information or the signature is not
    DIFFERENT = "different"


def compare(here: Root, path: str, there: Root, other: str) -> Likeness:
    """Two files of open roots, named by `Place.path`. One that cannot be read is different from any other."""
    first, second = here.read(path, SIZE_LIMIT), there.read(other, SIZE_LIMIT)
    if first is None or second is None:
        return Likeness.DIFFERENT
    if first == second:
        return Likeness.SAME
    try:
        first, second = decompress(first, path), decompress(second, other)
        if first == second:
            return Likeness.SAME
        return Likeness.STRIPPED if _loaded(first) == _loaded(second) else Likeness.DIFFERENT
    except DlkmError:
        return Likeness.DIFFERENT


def _loaded(data: bytes) -> bytes:
    """A digest of the sections that are loaded, with their names."""
    elf = Elf.parse(data, "a copy")
    digest = hashlib.sha256()
    for section in elf.sections:
        if section.flags & SHF_ALLOC:  # what is loaded, which stripping leaves alone
            digest.update(f"{section.name}\0{section.size}\0".encode("utf-8", "surrogateescape"))
            digest.update(elf.bytes_of(section))
    return digest.digest()
