# SPDX-License-Identifier: GPL-2.0-or-later
"""The outer shape of BTF, as far as it is judged without the kernel's own (kernel/bpf/btf.c: btf_parse_hdr)."""

from collections.abc import Sequence
from struct import Struct

_HEADER = Struct("<HBBIIIII")  # magic, version, flags, hdr_len, type_off, type_len, str_off, str_len
_LONG_HEADER = Struct("<HBBIIIIIII")  # and layout_off, layout_len
_MAGIC, _VERSION = 0xEB9F, 1
HEADER_SIZE = _LONG_HEADER.size
_LENGTH_KNOWN = 8  # bytes up to and with the header's length


class BtfError(Exception):
    """The kernel cannot take this BTF; `errno` by name, `number` as the kernel prints it."""

    def __init__(self, why: str, errno: str, number: int) -> None:
        super().__init__(why)
        self.errno = errno
        self.number = number


def check_btf(head: bytes, size: int, *, layout: bool) -> tuple[int, int, int, int]:
    """Where types and names begin and end; BtfError when the header or the parts it describes make no sense.

    Of `size` bytes the first are enough. `layout`: whether the kernel knows of a third part, that of layouts, which it
    does not read in a module's.
    """
    if size < _LENGTH_KNOWN:
        raise _wrong("it is shorter than its header")
    # A header that says it is shorter has zeroes in the fields that it lacks.
    length = int.from_bytes(head[4:8], "little")
    header = _LONG_HEADER if layout else _HEADER
    fields = header.unpack_from(head[: min(length, header.size)].ljust(header.size, b"\0"))
    magic, version, flags, _, *places = fields
    if size < length:
        raise _wrong("it is shorter than its header")
    if length > header.size and (len(head) < length or any(head[header.size : length])):
        raise BtfError("its header has fields that are not known", "E2BIG", -7)
    if magic != _MAGIC:
        raise _wrong(f"its magic is {magic:#06x}")
    if version != _VERSION or flags:
        raise BtfError(f"its version is {version}, its flags {flags:#x}", "ENOTSUPP", -524)
    parts = list(zip(places[::2], places[1::2], strict=True))
    if layout and not (length >= header.size and parts[-1][1]):
        parts.pop()
    _check_parts(parts, size - length)
    (type_start, type_size), (name_start, name_size) = parts[:2]
    if not (layout and length >= header.size) and name_start + name_size != size - length:
        raise _wrong("its names are not at its end")
    starts = length + type_start, length + name_start
    return starts[0], starts[0] + type_size, starts[1], starts[1] + name_size


def _check_parts(parts: Sequence[tuple[int, int]], size: int) -> None:
    """BtfError when they do not fill so many bytes, one behind the other (btf_check_sec_info)."""
    place = 0
    for start, extent in sorted(parts):
        if start != place:
            raise _wrong("its parts leave a gap or overlap")
        place += extent
    if place != size:
        raise _wrong("its parts do not fill the section")


def _wrong(why: str) -> BtfError:
    return BtfError(why, "EINVAL", -22)


def check_names(names: bytes, *, alone: bool) -> None:
    """BtfError when the names do not end with a NUL, or lack where they stand `alone` (btf_parse_str_sec)."""
    if (not names and alone) or (names and names[-1]) or (alone and names[:1] != b"\0"):
        raise _wrong("its names do not begin or end as they should")
