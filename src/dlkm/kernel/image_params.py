# SPDX-License-Identifier: GPL-2.0-or-later
"""Which names below /sys/module a kernel takes for what is built in, from the parameter table of its image.

Source: kernel/params.c: param_sysfs_builtin: a directory for each prefix of a parameter that sysfs shows.
"""

from bisect import bisect_right
from collections.abc import Iterator
from struct import Struct

from dlkm.core.errors import MalformedError
from dlkm.kernel.image import Form, KernelImage
from dlkm.ko.elf import Elf, Section

_CORE = "kernel"  # where parameters without a prefix go
_LONGEST = 512  # bytes of a name


def sysfs_names(image: KernelImage) -> tuple[str, ...] | None:
    """The names, sorted; None for an image that has no such table, or whose table cannot be read."""
    if image.form is not Form.ELF:
        return None
    try:
        found = set(_prefixes(image.elf))
    except MalformedError:
        return None
    return tuple(sorted(found)) or None


def _prefixes(elf: Elf) -> Iterator[str]:
    """Of every entry of `__param` (struct kernel_param) that has a mode."""
    table = elf.section("__param")
    if table is None or elf.bits != 64:
        return
    entry = Struct((">" if elf.big_endian else "<") + "QQQHbBxxxxQ")
    raw = elf.bytes_of(table)
    memory = _Memory(elf)
    for name_at, _, _, mode, _, _, _ in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
        if mode:
            prefix, dot, _ = memory.string(name_at).partition(".")
            yield prefix if dot else _CORE


class _Memory:
    """The image's sections by their addresses."""

    def __init__(self, elf: Elf) -> None:
        self._elf = elf
        self._sections: list[Section] = sorted(
            (one for one in elf.sections if one.addr and one.size), key=lambda one: one.addr
        )
        self._starts = [one.addr for one in self._sections]

    def string(self, address: int) -> str:
        """The text at an address; MalformedError when it lies nowhere."""
        place = bisect_right(self._starts, address) - 1
        section = self._sections[place] if place >= 0 else None
        if section is None or address >= section.addr + section.size:
            raise self._elf.malformed(f"a parameter's name lies at {address:#x}, where nothing is", None)
        end = min(section.addr + section.size - address, _LONGEST)
        raw = self._elf.range(section.offset + address - section.addr, end, "a parameter's name")
        return bytes(raw).partition(b"\0")[0].decode("utf-8", "replace")
