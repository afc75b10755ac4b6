# SPDX-License-Identifier: GPL-2.0-or-later
"""A 64-bit little-endian module as columns of numbers, for the quick look; every range was checked by who makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from struct import Struct

from dlkm.ko.elf import STB_GLOBAL
from dlkm.verdict.candidate import SectionHeader

THIS = b".gnu.linkonce.this_module"
_WORD = Struct("<I")
_NAME_AND_INFO = Struct("<IB").unpack_from

Row = tuple[int, ...]  # a section header as numbers; most are never looked at closer


@dataclass(frozen=True, slots=True)
class View:
    """What was found in a file on the way."""

    data: bytes | mmap
    rows: list[Row]
    named: Mapping[bytes, Row]

    def section(self, name: bytes) -> SectionHeader | None:
        """A section by its name."""
        row = self.named.get(name)
        return None if row is None else SectionHeader._make(row)

    def content(self, name: bytes) -> bytes:
        """A section's bytes; empty without it."""
        row = self.named.get(name)
        return b"" if row is None else self.data[row[4] : row[4] + row[5]]

    def bytes_of(self, section: SectionHeader) -> bytes:
        """A section's bytes."""
        return self.data[section.offset : section.offset + section.size]

    @property
    def struct_name(self) -> bytes:
        """The name within struct module."""
        return self.content(THIS)[24:80].partition(b"\0")[0]

    @property
    def symbol_names(self) -> bytes:
        """The string table of the symbols."""
        table = self.section(b".symtab")
        return b"" if table is None else self.bytes_of(SectionHeader._make(self.rows[table.link]))


@lru_cache(maxsize=1024)
def names_at(table: bytes, starts: bytes) -> tuple[bytes, ...] | None:
    """The sections' names; None when one lies outside the table or comes twice.

    Thousands of modules share a few hundred such tables.
    """
    places = [place for (place,) in _WORD.iter_unpack(starts)]
    if not table.endswith(b"\0") or max(places, default=0) >= len(table):
        return None
    names = tuple(table[place : table.index(b"\0", place)] for place in places)
    return names if len(set(names)) == len(names) and names.count(b".symtab") == 1 else None


def undefined(raw: bytes, strings: bytes, sections: int) -> list[bytes] | None:
    """Names of the undefined symbols; None when a symbol has a place that needs a closer look."""
    if len(raw) % 24 or not strings:
        return None
    places = memoryview(raw).cast("H")[3::12].tolist()
    if not places or places[0] or max(place for place in set(places) if place != 0xFFF1) >= sections:
        return None
    found = []
    at = 0
    for _ in range(places.count(0) - 1):
        at = places.index(0, at + 1)
        start, info = _NAME_AND_INFO(raw, 24 * at)
        end = strings.find(b"\0", start)
        if end < 0 or info >> 4 != STB_GLOBAL:
            return None
        found.append(strings[start:end])
    return found
