# SPDX-License-Identifier: GPL-2.0-or-later
"""Relocations of one section as columns, and where the symbols lie that they name. Judges nothing."""

from functools import cached_property
from struct import Struct
from typing import ClassVar

from dlkm.ko.elf import SHF_EXECINSTR, SHF_WRITE, SHN_UNDEF, SHT_NOBITS
from dlkm.verdict.candidate import Candidate


class Entries:
    """The relocations of one section as columns: places, types, symbols, addends (Elf64_Rela, little-endian)."""

    SIZE: ClassVar[int] = 24

    def __init__(self, raw: bytes) -> None:
        whole = raw[: len(raw) - len(raw) % self.SIZE]
        words = memoryview(whole).cast("I")
        self.places: list[int] = memoryview(whole).cast("Q")[0::3].tolist()
        self.kinds: list[int] = words[2::6].tolist()
        self.symbols: list[int] = words[3::6].tolist()
        self.addends: list[int] = memoryview(whole).cast("q")[2::3].tolist()

    @cached_property
    def by_place(self) -> dict[int, int]:
        """The number of the entry for each place."""
        return dict(zip(self.places, range(len(self.places)), strict=True))


class Owners:
    """Where a module's symbols lie. `moved` are the sections that get memory, `called` the symbols that code calls."""

    def __init__(self, candidate: Candidate, moved: frozenset[int], called: frozenset[int] = frozenset()) -> None:
        self._candidate = candidate
        self._called = called
        self._moved = moved
        self._percpu = candidate.find(".data..percpu") or SHN_UNDEF
        self._symbols = Struct("<IBBHQQ")

    def leads(self, symbol: int, addend: int) -> str:
        """To "code" or "data" of the module, to the "start" of another's "thing" or "into" it, or to "" out of all.

        What could begin a structure is "struct" instead of "data", and "written" where such a one may be written; a
        thing that is called is a "function".
        """
        raw = self._candidate.symbol_bytes
        if (symbol + 1) * self._symbols.size > len(raw):
            return ""
        _, _, _, owner, value, _ = self._symbols.unpack_from(raw, symbol * self._symbols.size)
        if owner == SHN_UNDEF:
            return self._outside(symbol, addend)
        if owner not in self._moved and owner != self._percpu:
            return ""
        section = self._candidate.sections[owner]
        if not 0 <= value + addend <= section.size:
            return ""
        if section.flags & SHF_EXECINSTR:
            return "code"
        aligned = "written" if section.flags & SHF_WRITE else "struct"
        return "data" if (value + addend) % _ALIGNED else aligned

    def _outside(self, symbol: int, addend: int) -> str:
        if symbol in self._called:
            return "function" if not addend else ""
        return next((word for word, limit in _OTHERS if symbol and 0 <= addend < limit), "")

    def text(self, symbol: int, addend: int) -> tuple[bytes, bytes]:
        """The byte before and the NUL-terminated string at a place in the module's data; b"" for what is not there."""
        if self.leads(symbol, addend) not in {"data", "struct", "written"}:
            return b"", b""
        owner, start = self.place(symbol, addend)
        raw = self._candidate.contents(owner)
        return raw[max(start - 1, 0) : start], raw[start : raw.find(b"\0", start)]

    def place(self, symbol: int, addend: int) -> tuple[int, int]:
        """The section that a symbol lies in, and the place in it; for what `leads` leads to the module."""
        _, _, _, owner, value, _ = self._symbols.unpack_from(self._candidate.symbol_bytes, symbol * self._symbols.size)
        return owner, value + addend

    def code(self, symbol: int, addend: int) -> str:
        """The first bytes of the module's code there, as hexadecimal digits; "" where there is none."""
        if self.leads(symbol, addend) != "code":
            return ""
        owner, place = self.place(symbol, addend)
        section = self._candidate.sections[owner]
        start = section.offset + place
        return self._candidate.data[start : start + _WORD].hex() if section.type != SHT_NOBITS else ""


# The lowest two bits of a key's address tell of its use (linux/jump_label.h, linux/static_call_types.h); a key may lie
# within something larger, such as a tracepoint.
_OTHERS = (("start", 1), ("thing", 4), ("into", 4096))
_ALIGNED = 8  # bytes that a structure with addresses begins at a multiple of
_WORD = 8  # bytes that tell an instruction
