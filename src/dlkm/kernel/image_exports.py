# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel image exports, from its own tables: by section in a vmlinux, by their pattern in a raw image.

Source: include/linux/export-internal.h, include/asm-generic/vmlinux.lds.h: `__ksymtab` and `__ksymtab_gpl` (newer
kernels: one table and `__kflagstab`), then `__kcrctab` in the same order, then `__ksymtab_strings`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice, pairwise
from struct import Struct, unpack_from

from dlkm.core.errors import MalformedError
from dlkm.kernel.image import Form, KernelImage
from dlkm.kernel.symvers import KERNEL, KernelSymbol
from dlkm.ko.elf import Elf, text

_ENTRY = 12  # three 32-bit distances to value, name and namespace (CONFIG_HAVE_ARCH_PREL32_RELOCATIONS)
_FLAG_GPL = 1
_NAME = re.compile(rb"[A-Za-z_.$][A-Za-z0-9_.$]{0,511}\0")
_NAMESPACE = re.compile(rb"[!-~]{0,511}\0")
# Names that every kernel with modules exports; one of them finds the tables of a raw image. A linker may have made some
# the ends of longer strings (__SCK__tp_func_kfree), but hardly all.
_ANCHORS = (b"module_layout", b"kfree", b"_printk", b"printk", b"param_ops_int")
_WINDOW = 4 << 20  # bytes around the strings within which the tables lie; a distribution's take half of one MiB

_ATTEMPTS = 16  # places tried; a real kernel has one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One table of exports: `names` and `namespaces` in its order, `crcs` empty without CONFIG_MODVERSIONS."""

    names: list[bytes]
    namespaces: list[bytes]
    crcs: tuple[int, ...]
    gpl: list[bool]


def exports_of_image(image: KernelImage) -> dict[str, KernelSymbol]:
    """Name to export, the provider being the kernel; MalformedError when the tables are not found or not whole.

    Without CONFIG_MODVERSIONS every CRC is 0, as in Module.symvers.
    """
    tables = _by_section(image.elf) if image.form is Form.ELF else _by_pattern(image)
    found: dict[str, KernelSymbol] = {}
    for table in tables:
        crcs = table.crcs or (0,) * len(table.names)
        for name, crc, gpl, namespace in zip(table.names, crcs, table.gpl, table.namespaces, strict=True):
            found[text(name)] = KernelSymbol(text(name), crc, KERNEL, gpl, text(namespace))
    if not found:
        raise MalformedError(f"{image.path}: exports no symbols: no kernel, or one without modules")
    return found


def _by_section(elf: Elf) -> Iterator[_Table]:
    strings = elf.section("__ksymtab_strings")
    for suffix in ("", "_gpl"):
        section = elf.section(f"__ksymtab{suffix}")
        entries = b"" if section is None else elf.bytes_of(section)
        if section is None or strings is None or not entries:
            continue
        number = len(entries) // _ENTRY
        if number * _ENTRY != len(entries):
            raise elf.malformed(f"{section.name}: {len(entries)} bytes are no entries of {_ENTRY}", section.offset)
        distances = unpack_from(f"{_order(elf.big_endian)}{3 * number}i", entries)
        pool, base = elf.bytes_of(strings), section.addr - strings.addr
        flags = elf.bytes_named("__kflagstab")
        if flags is not None and len(flags) != number:
            raise elf.malformed(f"__kflagstab: {len(flags)} bytes for {number} exports", None)
        yield _Table(
            names=[_string(elf, pool, base + 4 * place + distances[place]) for place in range(1, 3 * number, 3)],
            # A distance of zero means none: exports from assembly have no string at all.
            namespaces=[
                _string(elf, pool, base + 4 * place + distances[place]) if distances[place] else b""
                for place in range(2, 3 * number, 3)
            ],
            crcs=_section_crcs(elf, f"__kcrctab{suffix}", number),
            gpl=[bool(suffix)] * number if flags is None else [bool(flag & _FLAG_GPL) for flag in flags],
        )


def _string(elf: Elf, pool: bytes, offset: int) -> bytes:
    if offset < 0:
        raise elf.malformed("an export's name lies before __ksymtab_strings", None)
    return elf.string(pool, offset, "an export's name")


def _section_crcs(elf: Elf, name: str, number: int) -> tuple[int, ...]:
    section = elf.section(name)
    if section is None or not section.size:
        return ()
    crcs = elf.bytes_of(section)
    if len(crcs) != 4 * number:
        raise elf.malformed(f"{name}: {len(crcs)} bytes for {number} exports", section.offset)
    return unpack_from(f"{_order(elf.big_endian)}{number}I", crcs)


def _order(big_endian: bool) -> str:  # noqa: FBT001 — the one thing it asks
    return ">" if big_endian else "<"


def _by_pattern(image: KernelImage) -> list[_Table]:
    """A raw image has no sections, but its tables lie one behind the other, and distances are the same in the file."""
    raw = _Raw(image.data, _order(image.big_endian))
    candidates = (entry for anchor in _ANCHORS for entry in raw.entries_named(anchor))
    for entry in islice(candidates, _ATTEMPTS):
        tables = raw.tables_around(entry)
        if tables:
            return tables
    raise MalformedError(f"{image.path}: its tables of exports were not found")


class _Raw:
    """Searches the bytes of a kernel as they lie in memory."""

    def __init__(self, data: bytes, order: str) -> None:
        self._data = data
        self._order = order
        self._three = Struct(f"{order}3i")

    def entries_named(self, name: bytes) -> Iterator[int]:
        """Where an entry may stand whose name is `name`: a word that holds the distance from itself to the string."""
        for match in islice(re.finditer(b"\\0" + name + b"\\0", self._data), _ATTEMPTS):
            string = match.start() + 1
            first = max(0, string - _WINDOW) & ~3
            words = unpack_from(f"{self._order}{(string - first) // 4}i", self._data, first)
            yield from (
                place - 4 for word, place in zip(words, count(first, 4), strict=False) if place + word == string
            )

    def tables_around(self, entry: int) -> list[_Table]:
        """The tables that hold this entry; none when what is around it is not as they are."""
        first, end = entry, entry
        while self._strings(first - _ENTRY, entry) is not None:
            first -= _ENTRY
        while self._strings(end, entry) is not None:
            end += _ENTRY
        places = range(first, end, _ENTRY)
        pairs = [pair for place in places if (pair := self._strings(place, entry)) is not None]
        names = [self._text(pair[0]) for pair in pairs]
        # Each table is sorted by name: where a smaller name follows, the next one begins.
        starts = [0, *(number for number, (one, other) in enumerate(pairwise(names), 1) if other < one), len(names)]
        if len(names) < len(_ANCHORS) or len(starts) > 3:
            return []
        crcs = self._crcs(end, min(place for pair in pairs for place in pair if place), len(names))
        spaces = [self._text(pair[1]) if pair[1] else b"" for pair in pairs]
        return [_Table(names=names, namespaces=spaces, crcs=crcs, gpl=self._gpl(end, starts))]

    def _strings(self, entry: int, near: int) -> tuple[int, int] | None:
        """Where name and namespace (0: none) of an entry stand; None when it is no entry."""
        if entry < 0 or entry + _ENTRY > len(self._data):
            return None
        _, to_name, to_namespace = self._three.unpack_from(self._data, entry)
        name, namespace = entry + 4 + to_name, entry + 8 + to_namespace if to_namespace else 0
        if not (near < name < near + _WINDOW and (not namespace or near < namespace < near + _WINDOW)):
            return None
        good = _NAME.match(self._data, name) and (not namespace or _NAMESPACE.match(self._data, namespace))
        return (name, namespace) if good else None

    def _text(self, place: int) -> bytes:
        return self._data[place : self._data.index(b"\0", place)]

    def _crcs(self, end: int, strings: int, number: int) -> tuple[int, ...]:
        """The words right before the strings; before Linux 5.19 on arm64 they are distances to the CRCs."""
        start = strings - 4 * number
        if start < end:
            return ()
        crcs: tuple[int, ...] = unpack_from(f"{self._order}{number}I", self._data, start)
        signed: tuple[int, ...] = unpack_from(f"{self._order}{number}i", self._data, start)
        places = [start + 4 * at + distance for at, distance in enumerate(signed)]
        if all(0 <= place <= len(self._data) - 4 for place in places):
            return tuple(unpack_from(f"{self._order}I", self._data, place)[0] for place in places)
        return crcs

    def _gpl(self, end: int, starts: list[int]) -> list[bool]:
        """The second table is the GPL-only one; a single one has a byte of flags for each right behind it."""
        number = starts[-1]
        if len(starts) == 3:
            return [at >= starts[1] for at in range(number)]
        return [bool(flag & _FLAG_GPL) for flag in self._data[end : end + number].ljust(number, b"\0")]
