# SPDX-License-Identifier: GPL-2.0-or-later
"""The outer shape of BTF, as far as it is judged without the kernel's own (kernel/bpf/btf.c: btf_parse_hdr)."""

from struct import Struct

_HEADER = Struct("<HBBIIIII")  # magic, version, flags, hdr_len, type_off, type_len, str_off, str_len
_MAGIC, _VERSION = 0xEB9F, 1
HEADER_SIZE = _HEADER.size


class BtfError(Exception):
    """The kernel cannot take this BTF; `errno` by name, `number` as the kernel prints it."""

    def __init__(self, why: str, errno: str, number: int) -> None:
        super().__init__(why)
        self.errno = errno
        self.number = number


def check_btf(head: bytes, size: int) -> None:
    """BtfError when the header or the two parts it describes make no sense; of `size` bytes the first are enough."""
    if size < _HEADER.size:
        raise BtfError("it is shorter than its header", "EINVAL", -22)
    magic, version, flags, length, type_start, type_size, name_start, name_size = _HEADER.unpack_from(head)
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
