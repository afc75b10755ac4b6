# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of a module that the kernel follows: whether each entry's relocations lead to where such entries lead."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from struct import Struct
from typing import Any, ClassVar

from dlkm.ko.elf import SHN_UNDEF
from dlkm.verdict.candidate import SHF_EXECINSTR, SHT_NOBITS, Candidate
from dlkm.verdict.era import Era

Fault = tuple[str, dict[str, object]]  # a rule and its values


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
    """Where a module's symbols lie. `moved` are the sections that get memory."""

    def __init__(self, candidate: Candidate, moved: frozenset[int]) -> None:
        self._candidate = candidate
        self._moved = moved
        self._percpu = candidate.find(".data..percpu") or SHN_UNDEF
        self._symbols = Struct("<IBBHQQ")

    def leads(self, symbol: int, addend: int) -> str:
        """To "code" or "data" of the module ("struct" where it could begin one), to a "thing" of another or "into" it.

        "" out of all sections.
        """
        raw = self._candidate.symbol_bytes
        if (symbol + 1) * self._symbols.size > len(raw):
            return ""
        _, _, _, owner, value, _ = self._symbols.unpack_from(raw, symbol * self._symbols.size)
        if owner == SHN_UNDEF:
            return next((word for word, limit in _OTHERS if symbol and 0 <= addend < limit), "")
        if owner not in self._moved and owner != self._percpu:
            return ""
        section = self._candidate.sections[owner]
        if not 0 <= value + addend <= section.size:
            return ""
        if section.flags & SHF_EXECINSTR:
            return "code"
        return "data" if (value + addend) % _ALIGNED else "struct"

    def code(self, symbol: int, addend: int) -> str:
        """The first bytes of the module's code there, as hexadecimal digits; "" where there is none."""
        if self.leads(symbol, addend) != "code":
            return ""
        _, _, _, owner, value, _ = self._symbols.unpack_from(self._candidate.symbol_bytes, symbol * self._symbols.size)
        section = self._candidate.sections[owner]
        start = section.offset + value + addend
        return self._candidate.data[start : start + _WORD].hex() if section.type != SHT_NOBITS else ""


# The lowest two bits of a key's address tell of its use (linux/jump_label.h, linux/static_call_types.h); a key may lie
# within something larger, such as a tracepoint.
_OTHERS = (("thing", 4), ("into", 4096))
_ALIGNED = 8  # bytes that a structure with addresses begins at a multiple of
_WORD = 8  # bytes that tell an instruction
_DISTANCE = 4  # bytes of a field
_INSTRUCTION = 4  # bytes of one, where lengths are looked at
_LEADS = {
    "code": frozenset({"code"}),
    "struct": frozenset({"struct"}),
    "own": frozenset({"code", "data", "struct"}),
    "key": frozenset({"data", "struct", "thing"}),
    "patch": frozenset({"code", "thing"}),
    "any": frozenset({"code", "data", "struct", "thing", "into"}),
}


def table_faults(
    candidate: Candidate, era: Era, names: Sequence[str], entries: Mapping[int, Entries], owners: Owners
) -> Iterator[Fault]:
    """Entries that lead elsewhere, or nowhere; sections of addresses with anything else."""
    types = dict(era.words("field-types"))
    tables = {name: (size, fields) for name, size, fields in era.words("kernel-tables")}
    words = {name: rest for name, *rest in era.words("site-words")}
    none = Entries(b"")
    for index, name in enumerate(names):
        section = candidate.sections[index]
        if name not in tables or not section.size:
            continue
        table = entries.get(index, none)
        why = _fault(section.size, *tables[name], types, table, owners) or _site(table, words.get(name, ()), owners)
        lengths = era.words("alternative-lengths") if name == ".altinstructions" else ()
        if why is None and lengths:
            why = _lengths(candidate.contents(index), tables[name][0], lengths)
        if why is not None:
            yield "table-damaged", {"subject": name, "why": why}
    for index, table in entries.items():
        if names[index] in era.words("address-sections") and set(table.kinds) - {types["address"]} - idle_types(era):
            yield "table-damaged", {"subject": names[index], "why": "holds relocations that are no addresses"}


def idle_types(era: Era) -> frozenset[int]:
    """The relocation types that write nothing."""
    return frozenset(number for size, numbers in era.words("relocations") if not size for number in numbers)


def _fault(
    size: int, entry: int, fields: Sequence[Any], types: Mapping[str, int], table: Entries, owners: Owners
) -> str | None:
    """What is wrong with a table; None for a sound one."""
    step = entry or size * len(fields) // max(len(table.places), 1)
    if not 0 < step <= size or size % step:
        return f"has {size} bytes, no whole number of entries"
    for at, way, where in fields:
        for place in range(at, size, step):
            row = table.by_place.get(place)
            if row is None:
                return f"has an entry at {place:#x} that leads nowhere"
            leads = owners.leads(table.symbols[row], table.addends[row])
            if table.kinds[row] != types[way] or leads not in _LEADS[where]:
                return f"has an entry at {place:#x} that does not lead where it should"
    return None


def _site(table: Entries, words: Sequence[Sequence[str]], owners: Owners) -> str | None:
    """The first entry of a sound table that leads to other code than the kernel expects there."""
    for row, place in enumerate(table.places if words else ()):
        key = table.by_place.get(place + _DISTANCE) if len(words) > 1 else None
        if len(words) > 1 and (key is None or place % (2 * _DISTANCE)):
            continue
        wanted = words[0] if key is None else words[table.addends[key] & 1]
        if not owners.code(table.symbols[row], table.addends[row]).startswith(tuple(wanted)):
            return f"has an entry at {place:#x} that leads to other code than it is for"
    return None


def _lengths(content: bytes, entry: int, places: Sequence[int]) -> str | None:
    for start in range(0, len(content), entry):
        old, new = (content[start + place] for place in places)
        if new not in {0, old} or not old or old % _INSTRUCTION:
            return f"has an entry at {start:#x} for {old} bytes of code, with {new} in their place"
    return None
