# SPDX-License-Identifier: GPL-2.0-or-later
"""A 64-bit little-endian module as columns of numbers, for the quick look; every range was checked by who makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import add
from struct import Struct

from dlkm.ko.elf import (
    SHF_EXECINSTR,
    SHF_RELA_LIVEPATCH,
    SHF_WRITE,
    SHT_NOBITS,
    SHT_NULL,
    SHT_STRTAB,
    SHT_SYMTAB,
    STB_GLOBAL,
    layout_of,
)

THIS = b".gnu.linkonce.this_module"
ROW = 64  # bytes of struct modversion_info
# Sections that the quick look asks for by name; the content of the first ones too.
_READ = (THIS, b".modinfo", b"__versions", b".BTF")
NAMES = frozenset((*_READ, b".data..percpu", b"__ksymtab", b"__ksymtab_gpl", b"__kflagstab", b"__kcrctab",
          b"__kcrctab_gpl", b".ctors", b"__version_ext_crcs", b"__version_ext_names"))  # fmt: skip
_HEADER = layout_of(64, big_endian=False).header.unpack_from
_HEADER_SIZE, _SECTION_SIZE = 64, 64
_NAME_AND_INFO = Struct("<IB").unpack_from
_STRUCT_NAME, _STRUCT_NAME_END = 24, 80  # place of `name` in struct module
_EMPTY = bytes(40)  # of section 0: no name, type, flags, place or size
_MUCH = 32 << 20  # bytes of memory that every machine has
_BOTH = SHF_WRITE | SHF_EXECINSTR


@dataclass(frozen=True, slots=True)
class View:
    """What was found in a file on the way.

    `numbers` are all section headers as 64-bit words, eight each; `kinds` their types; `at` the index of each section
    that is asked for by name and is there.
    """

    data: bytes
    numbers: memoryview
    kinds: list[int]
    at: Mapping[bytes, int]

    def flags(self, index: int) -> int:
        """A section's flags."""
        return int(self.numbers[8 * index + 1])

    def size(self, index: int) -> int:
        """A section's size."""
        return int(self.numbers[8 * index + 4])

    def align(self, index: int) -> int:
        """A section's alignment."""
        return int(self.numbers[8 * index + 6])

    def link(self, index: int) -> int:
        """The section that a section's header names as its link."""
        return int(self.numbers[8 * index + 5]) & 0xFFFFFFFF

    def info(self, index: int) -> int:
        """The section that a table of relocations is for."""
        return int(self.numbers[8 * index + 5]) >> 32

    def bytes_of(self, index: int) -> bytes:
        """A section's bytes; empty for one that has none in the file."""
        if self.kinds[index] == SHT_NOBITS:
            return b""
        start = self.numbers[8 * index + 3]
        return self.data[start : start + self.numbers[8 * index + 4]]

    def start_of(self, index: int, size: int) -> bytes:
        """At most the first `size` bytes of a section that has bytes in the file."""
        start = self.numbers[8 * index + 3]
        return self.data[start : start + min(size, self.numbers[8 * index + 4])]

    @property
    def section_names(self) -> list[bytes]:
        """The names of all sections."""
        strings = self.bytes_of(int.from_bytes(self.data[62:64], "little"))
        starts = [int(word) & 0xFFFFFFFF for word in self.numbers[0::8]]
        return [strings[start : strings.find(b"\0", start)] for start in starts]

    @property
    def struct_name(self) -> bytes:
        """The name within struct module."""
        start = self.numbers[8 * self.at[THIS] + 3]
        return self.data[start + _STRUCT_NAME : start + _STRUCT_NAME_END].partition(b"\0")[0]

    @property
    def symtab(self) -> int:
        """The only symbol table."""
        return self.kinds.index(SHT_SYMTAB)

    @property
    def symbol_names(self) -> bytes:
        """The string table of the symbols."""
        return self.bytes_of(self.link(self.symtab))


def view_of(data: bytes, end: int, machine: int, names: frozenset[bytes]) -> View | None:
    """Header and sections of the first `end` bytes, all within them, none written and run; None for anything else.

    `names` are the sections to look for.
    """
    if end < _HEADER_SIZE or not data.startswith(b"\x7fELF"):
        return None
    kind, of, _, _, _, place, _, _, _, _, entry, count, strings = _HEADER(data, 16)
    if (kind, of, entry) != (1, machine, _SECTION_SIZE) or not 0 < strings < count:
        return None
    size = count * _SECTION_SIZE
    raw = data[place : place + size]
    if place + size > end or not raw.startswith(_EMPTY):
        return None
    numbers, words = memoryview(raw).cast("Q"), memoryview(raw).cast("I")
    kinds = words[1::16].tolist()
    if not _sound(numbers, kinds, end) or kinds[strings] != SHT_STRTAB:
        return None
    start = numbers[8 * strings + 3]
    table = data[start : start + numbers[8 * strings + 4]]
    found = _places(table, words[0::16].tolist(), names)
    if found is None or any(name in found and kinds[found[name]] == SHT_NOBITS for name in _READ):
        return None
    return View(data, numbers, kinds, found)


def _sound(numbers: memoryview, kinds: list[int], end: int) -> bool:
    """Whether no section leaves the file, is written and run, or of a livepatch; one symbol table with its names."""
    if any(flags & _BOTH == _BOTH or flags & SHF_RELA_LIVEPATCH for flags in set(numbers[1::8])):
        return False
    ends = list(map(add, numbers[3::8], numbers[4::8]))
    if sum(numbers[4::8]) > _MUCH or max(numbers[6::8]) > _MUCH:
        return False
    if max(ends) > end and any(far > end and kind != SHT_NOBITS for far, kind in zip(ends, kinds, strict=True)):
        return False
    if kinds.count(SHT_NULL) != 1 or kinds.count(SHT_SYMTAB) != 1:
        return False
    names = numbers[8 * kinds.index(SHT_SYMTAB) + 5] & 0xFFFFFFFF
    return 0 < names < len(kinds) and kinds[names] == SHT_STRTAB


def _places(table: bytes, starts: list[int], names: frozenset[bytes]) -> dict[bytes, int] | None:
    """Which section has which name, of those asked for; None when a name lies outside the table, or comes twice.

    Looks for the names in the table rather than for each section's name: a module has fifty sections.
    """
    if not table.endswith(b"\0") or max(starts) >= len(table):
        return None
    index_of = {start: index for index, start in enumerate(starts)}
    if len(index_of) != len(starts):
        return None
    found = {}
    for name in names:
        at = table.find(name)
        while at >= 0:
            if at in index_of and table.startswith(b"\0", at + len(name)):
                if name in found:
                    return None
                found[name] = index_of[at]
            at = table.find(name, at + 1)
    return found


@lru_cache(maxsize=4096)
def rows_in(size: int) -> Struct:
    """How to take so many bytes of `__versions` apart into rows."""
    return Struct(f"{ROW}s" * (size // ROW))


def undefined(raw: bytes, strings: bytes, sections: int) -> list[bytes] | None:
    """Names of the undefined symbols; None when a symbol has a place that needs a closer look."""
    if len(raw) % 24 or not strings.startswith(b"\0") or not strings.endswith(b"\0"):
        return None
    if max(memoryview(raw).cast("I")[0::6].tolist(), default=0) >= len(strings):
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
