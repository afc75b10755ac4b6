# SPDX-License-Identifier: GPL-2.0-or-later
"""Applying relocations, as far as files decide it: their types, what stands at their targets, what they can hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from dlkm.ko.elf import SHF_RELA_LIVEPATCH, SHT_NOBITS, SHT_REL, SHT_RELA, text
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.layout import moved_sections
from dlkm.verdict.relocation_columns import Symbols, Table, Types, suspicious, types_in
from dlkm.verdict.relocation_values import Reach, Values
from dlkm.verdict.relocation_writes import Meeting, Writes


def relocations(case: Case) -> Iterator[Trip]:
    """Section by section, entry by entry; the first refusal ends it (kernel/module/main.c: apply_relocations)."""
    types = types_in(case.era)
    if types is None:
        return
    wanted, other = (SHT_REL, SHT_RELA) if "rel" in case.era.words("relocation-tables") else (SHT_RELA, SHT_REL)
    moved = moved_sections(case)
    relocated = moved
    if "percpu-relocated" in case.era.features and case.facts.option("SMP") is not False:
        relocated |= {case.candidate.find(".data..percpu")} - {0}
    written: dict[int, Writes] = {}
    for index, section in enumerate(case.candidate.sections[1:], 1):
        if section.info not in relocated:
            continue
        if section.flags & SHF_RELA_LIVEPATCH:
            trip = _livepatch(case, case.candidate.section_name(index))
            if trip is not None:
                yield trip
                return
            continue
        if section.type == other:
            rule = "rel-section" if other == SHT_REL else "rela-section"
            yield case.trip(rule, subject=case.candidate.section_name(index))
            return
        if section.type == wanted:
            writes = written.setdefault(section.info, Writes(types.addresses))
            trip = _Section(case=case, types=types, index=index, moved=moved, writes=writes).trip()
            if trip is not None:
                yield trip
                return


_LIVEPATCH = re.compile(r"\.klp\.rela\.([^.]{1,55})")


def _livepatch(case: Case, name: str) -> Trip | None:
    """A table for livepatching is for the kernel now, or for a module later (kernel/livepatch/core.c)."""
    if case.facts.option("LIVEPATCH") is False:
        return None
    match = _LIVEPATCH.match(name)
    if match is None:
        return case.trip("livepatch-section", subject=name)
    return case.trip("livepatch-relocations", subject=name) if match[1] == "vmlinux" else None


@dataclass(frozen=True, kw_only=True)
class _Section:
    """One table of relocations, the `index`th section. `writes` are those of earlier tables for the same section."""

    case: Case
    types: Types
    index: int
    moved: frozenset[int]
    writes: Writes

    def trip(self) -> Trip | None:
        """The first entry that is refused, or that nobody can judge."""
        candidate, number = self.case.candidate, self.case.candidate.sections[self.index].info
        target = candidate.sections[number]
        content = b"" if target.type == SHT_NOBITS else candidate.contents(number)
        table = Table(candidate.contents(self.index), content, target.size)
        plain = candidate.layout.bits == 64 and not candidate.layout.big_endian and not self.writes
        if plain and not suspicious([table], self.types, symbols_of(candidate, self.moved)):
            self.writes.add_all(table, self.types)
            return None
        addends = candidate.sections[self.index].type == SHT_RELA
        rows = enumerate(entries(candidate, table.raw, addends=addends))
        return next((trip for row, entry in rows if (trip := self._refused(table, row, entry)) is not None), None)

    @property
    def _name(self) -> str:
        candidate = self.case.candidate
        return candidate.section_name(candidate.sections[self.index].info)

    def _refused(self, table: Table, row: int, entry: "Entry") -> Trip | None:
        """What becomes of one entry, in the order of the loader's own looks."""
        width = self.types.widths.get(entry.kind, 0)
        outside = self._outside(table, row, entry)
        if outside is not None:
            return outside
        if not self._known(entry.kind):
            return self._unknown(entry.kind)
        if width and entry.place + width > table.size:
            return self.case.trip("relocation-outside", place=entry.place, section=self._name)
        looks = [self._target(table, row, entry, width), self._range(row, entry)]
        if "range-before-target" in self.case.era.features:
            looks.reverse()
        self.writes.add(entry.place, width, entry.kind)
        return next((trip for trip in looks if trip is not None), None)

    def _outside(self, table: Table, row: int, entry: "Entry") -> Trip | None:
        """An entry outside its section, or for no symbol: refused by a loader that looks (arch/arm), read elsewhere."""
        candidate = self.case.candidate
        count = len(candidate.symbol_bytes) // candidate.layout.symbol.size
        if "relocation-bounds" not in self.case.era.features:
            why = f"relocation {row} for {self._name} names symbol {entry.symbol} of {count}"
            return self.case.trip("unreadable-part", why=why) if entry.symbol >= count else None
        if entry.symbol > count:
            return self.case.trip("relocation-symbol", table=self.index, row=row, section=self._name)
        if entry.place <= table.size - _WORD:
            return None
        name = _symbol_name(candidate, entry.symbol) if entry.symbol < count else ""
        return self.case.trip(
            "relocation-outside/checked",
            table=self.index,
            row=row,
            symbol=name,
            place=entry.place,
            size=table.size,
            section=self._name,
        )

    def _known(self, kind: int) -> bool:
        option = self.types.optional.get(kind)
        return kind in self.types.widths or (option is not None and self.case.facts.option(option) is not False)

    def _unknown(self, kind: int) -> Trip:
        """The refusal of a type, in the words that the loader has for it."""
        why = self.types.refused.get(kind)
        rule = "relocation-type" if why is None else f"relocation-type/{why}"
        errno = next(iter(self.case.era.words("relocation-errno")), None)
        return self.case.trip(rule, errno=errno, type=kind, section=self._name)

    def _target(self, table: Table, row: int, entry: "Entry", width: int) -> Trip | None:
        """Bytes that are not zero, in the file or by an earlier entry, where the loader wants zeroes."""
        if not self.types.zero_targets or not width:
            return None
        meeting = self.writes.meeting(entry.place, width)
        dirty = any(table.content[entry.place : entry.place + width]) or meeting is Meeting.COVERS
        if not dirty and meeting is Meeting.APART:
            return None
        rule = "relocation-target" if dirty else "relocation-overlap"
        return self._trip(rule, row, entry)

    def _range(self, row: int, entry: "Entry") -> Trip | None:
        """A value that does not fit, or of which nobody can say whether it does."""
        section = self.case.candidate.sections[self.index].info
        values = Values(self.case, self.moved)
        reach = values.reach(entry.kind, entry.symbol, entry.addend, section=section, place=entry.place)
        rules = {Reach.NEVER: "relocation-overflow", Reach.PERHAPS: "relocation-reach"}
        return self._trip(rules[reach], row, entry) if reach in rules else None

    def _trip(self, rule: str, row: int, entry: "Entry") -> Trip:
        """A rule about one entry, by the numbers that the loader has for it."""
        return self.case.trip(rule, type=entry.kind, place=entry.place, section=self._name, table=self.index, row=row)


_WORD = 4  # bytes that arch/arm/kernel/module.c asks to be there, whatever the type writes


def _symbol_name(candidate: Candidate, number: int) -> str:
    start = candidate.layout.symbol.unpack_from(candidate.symbol_bytes, number * candidate.layout.symbol.size)[0]
    return text(candidate.symbol_names[start:].partition(b"\0")[0])


@dataclass(frozen=True, slots=True)
class Entry:
    """One relocation; `addend` 0 where the table has none."""

    place: int
    kind: int
    symbol: int
    addend: int = 0


def entries(candidate: Candidate, raw: bytes, *, addends: bool = True) -> Iterator[Entry]:
    """Each entry of a table of Elf_Rela, or Elf_Rel without `addends`."""
    wide = candidate.layout.bits == 64
    fields = ("QQ" if wide else "II") + ("q" if wide else "i") * addends
    entry = Struct((">" if candidate.layout.big_endian else "<") + fields)
    shift = 32 if wide else 8
    for place, info, *addend in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
        yield Entry(place, info & ((1 << shift) - 1), info >> shift, *addend)


def symbols_of(candidate: Candidate, moved: frozenset[int]) -> Symbols:
    """The symbol table, for the quick look."""
    unmoved = frozenset(range(1, len(candidate.sections))) - moved - {candidate.find(".data..percpu")}
    return Symbols(candidate.symbol_bytes, unmoved)


CHECKS: dict[str, Check] = {"relocations": relocations}
