# SPDX-License-Identifier: GPL-2.0-or-later
"""The outer shape of BTF, as far as it is judged without the kernel's own (kernel/bpf/btf.c: btf_parse_hdr)."""

from struct import Struct

_HEADER = Struct("<HBBIIIII")  # magic, version, flags, hdr_len, type_off, type_len, str_off, str_len
_MAGIC, _VERSION = 0xEB9F, 1
HEADER_SIZE = _HEADER.size
_LENGTH_KNOWN = 8  # bytes up to and with the header's length


class BtfError(Exception):
    """The kernel cannot take this BTF; `errno` by name, `number` as the kernel prints it."""

    def __init__(self, why: str, errno: str, number: int) -> None:
        super().__init__(why)
        self.errno = errno
        self.number = number


def check_btf(head: bytes, size: int) -> tuple[int, int, int]:
    """Where types end, names begin and end; BtfError when the header or the two parts it describes make no sense.

    Of `size` bytes the first are enough.
    """
    if size < _LENGTH_KNOWN:
        raise BtfError("it is shorter than its header", "EINVAL", -22)
    # A header that says it is shorter has zeroes in the fields that it lacks.
    length = int.from_bytes(head[4:8], "little")
    magic, version, flags, _, type_start, type_size, name_start, name_size = _HEADER.unpack_from(
        head[: min(length, _HEADER.size)].ljust(_HEADER.size, b"\0")
    )
    if size < length:
        raise BtfError("it is shorter than its header", "EINVAL", -22)
    if length > _HEADER.size and (len(head) < length or any(head[_HEADER.size : length])):
        raise BtfError("its header has fields that are not known", "E2BIG", -7)
    if magic != _MAGIC:
        raise BtfError(f"its magic is {magic:#06x}", "EINVAL", -22)
    if version != _VERSION or flags:
        # ENOTSUPP (524) is the kernel's own; no errno name of user space stands for it.
        raise BtfError(f"its version is {version}, its flags {flags:#x}", "EOPNOTSUPP", -524)
    parts = sorted([(type_start, type_size), (name_start, name_size)])
    place = 0
    for start, extent in parts:
        if start != place:
            raise BtfError("its parts leave a gap or overlap", "EINVAL", -22)
        place += extent
    if place != size - length:
        raise BtfError("its parts do not fill the section", "EINVAL", -22)
    if name_start + name_size != size - length:
        raise BtfError("its names are not at its end", "EINVAL", -22)
    return length + type_start, length + type_start + type_size, length + name_start


def check_names(names: bytes, *, alone: bool) -> None:
    """BtfError when the names do not end with a NUL, or lack where they stand `alone` (btf_parse_str_sec)."""
    if (not names and alone) or (names and names[-1]) or (alone and names[:1] != b"\0"):
        raise BtfError("its names do not begin or end as they should", "EINVAL", -22)
