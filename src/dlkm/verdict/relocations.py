# SPDX-License-Identifier: GPL-2.0-or-later
"""Applying relocations, as far as a file alone decides it: their types, and what stands at their targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import compress
from struct import Struct

from dlkm.ko.elf import text
from dlkm.verdict.candidate import SHF_ALLOC, SHF_RELA_LIVEPATCH, SHT_NOBITS, SHT_REL, SHT_RELA, Candidate
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.era import Era


@dataclass(frozen=True)
class Types:
    """An architecture's relocation types that the loader knows, each with the bytes it writes; 0 for none.

    `zero_targets`: whether the loader insists that these bytes be zero (arch/x86/kernel/module.c).
    `optional` are types that only kernels with an option know, `refused` those that it refuses in words of their own.
    """

    widths: dict[int, int]
    zero_targets: bool
    optional: dict[int, str]
    refused: dict[int, str]

    @cached_property
    def allowed(self) -> bytes:
        """The types below 256 as bytes."""
        return bytes(number for number in self.widths if number < 256)

    @cached_property
    def masks(self) -> dict[int, bytes]:
        """For each width a table for bytes.translate: 1 for the types that write so many bytes, else 0."""
        widths = set(self.widths.values()) - {0}
        return {width: bytes(self.widths.get(number) == width for number in range(256)) for width in widths}


@cache
def types_in(era: Era) -> Types | None:
    """From data/eras.toml; None for an architecture that is not listed."""
    known = era.words("relocations")
    if not known:
        return None
    return Types(
        widths={number: width for width, numbers in known for number in numbers},
        zero_targets="zero-relocation-targets" in era.features,
        optional={number: name for name, numbers in era.words("relocations-by-option") for number in numbers},
        refused={number: why for why, numbers in era.words("relocations-refused") for number in numbers},
    )


def relocations(case: Case) -> Iterator[Trip]:
    """Section by section, entry by entry; the first refusal ends it (kernel/module/main.c: apply_relocations)."""
    types = types_in(case.era)
    if types is None:
        return
    wanted, other = (SHT_REL, SHT_RELA) if "rel" in case.era.words("relocation-tables") else (SHT_RELA, SHT_REL)
    for index, section in enumerate(case.candidate.sections[1:], 1):
        if not section.info < len(case.candidate.sections):
            continue
        target = case.candidate.sections[section.info]
        if not target.flags & SHF_ALLOC or section.flags & SHF_RELA_LIVEPATCH:
            continue
        if section.type == other:
            rule = "rel-section" if other == SHT_REL else "rela-section"
            yield case.trip(rule, subject=case.candidate.section_name(index))
            return
        if section.type == wanted:
            trip = _section(case, types, index)
            if trip is not None:
                yield trip
                return


def _section(case: Case, types: Types, index: int) -> Trip | None:
    """The first entry of one section that is refused."""
    candidate = case.candidate
    number = candidate.sections[index].info
    target = candidate.sections[number]
    content = b"" if target.type == SHT_NOBITS else candidate.contents(number)
    table = Table(candidate.contents(index), content, target.size)
    plain = candidate.layout.bits == 64 and not candidate.layout.big_endian
    if plain and not suspicious([table], types):
        return None
    name = candidate.section_name(number)
    rows = entries(candidate, table.raw, addends=candidate.sections[index].type == SHT_RELA)
    for row, (place, kind, symbol) in enumerate(rows):
        outside = _outside(case, table, index=index, row=row, place=place, symbol=symbol)
        if outside is not None:
            return outside
        if not _known(case, types, kind):
            return _unknown(case, types, kind, name)
        width = types.widths.get(kind, 0)
        if width and place + width > table.size:
            return case.trip("relocation-outside", place=place, section=name)
        if types.zero_targets and any(content[place : place + width]):
            return case.trip("relocation-target", type=kind, place=place, section=name)
    return None


_WORD = 4  # bytes that arch/arm/kernel/module.c asks to be there, whatever the type writes


def _outside(case: Case, table: "Table", *, index: int, row: int, place: int, symbol: int) -> Trip | None:
    """The refusal of an entry outside its section, or for no symbol, by a loader that looks (arch/arm)."""
    if "relocation-bounds" not in case.era.features:
        return None
    candidate, size = case.candidate, case.candidate.layout.symbol.size
    target, count = candidate.section_name(candidate.sections[index].info), len(candidate.symbol_bytes) // size
    if symbol > count:
        return case.trip("relocation-symbol", table=index, row=row, section=target)
    if place <= table.size - _WORD:
        return None
    start = candidate.layout.symbol.unpack_from(candidate.symbol_bytes, symbol * size)[0] if symbol < count else 0
    name = text(candidate.symbol_names[start:].partition(b"\0")[0])
    return case.trip(
        "relocation-outside/checked", table=index, row=row, symbol=name, place=place, size=table.size, section=target
    )


def _known(case: Case, types: Types, kind: int) -> bool:
    option = types.optional.get(kind)
    return kind in types.widths or (option is not None and case.facts.option(option) is not False)


def _unknown(case: Case, types: Types, kind: int, section: str) -> Trip:
    """The refusal of a type, in the words that the loader has for it."""
    why = types.refused.get(kind)
    rule = "relocation-type" if why is None else f"relocation-type/{why}"
    return case.trip(rule, errno=next(iter(case.era.words("relocation-errno")), None), type=kind, section=section)


def entries(candidate: Candidate, raw: bytes, *, addends: bool = True) -> Iterator[tuple[int, int, int]]:
    """Place, type and symbol of each entry of a table of Elf_Rela, or Elf_Rel without `addends`."""
    wide = candidate.layout.bits == 64
    fields = ("QQ" if wide else "II") + ("q" if wide else "i") * addends
    entry = Struct((">" if candidate.layout.big_endian else "<") + fields)
    shift = 32 if wide else 8
    for place, info, *_ in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
        yield place, info & ((1 << shift) - 1), info >> shift


@dataclass(frozen=True, slots=True)
class Table:
    """A table of Elf64_Rela, little-endian, and the section it is for: its bytes (none in the file: b"") and size."""

    raw: bytes
    content: bytes
    size: int


_RELA_SIZE, _TYPE_AT = 24, 8  # Elf64_Rela, and the lowest byte of its type


def suspicious(tables: Sequence[Table], types: Types) -> bool:
    """Whether any table of a module needs a look at each entry; quick, so that a good module costs little.

    Works on whole columns of all tables together: the types as a byte string, the places as numbers that index the
    target with every byte made the OR of the following ones, so that one look tells whether all bytes of a target are
    zero, and an index that is out of range that it lies outside.
    """
    raws = [table.raw[: len(table.raw) - len(table.raw) % _RELA_SIZE] for table in tables]
    whole = b"".join(raws)
    kinds = _kinds(whole, types)
    if kinds is None:
        return True
    places = memoryview(whole).cast("Q")[0::3].tolist()
    end = 0
    try:
        for table, raw in zip(tables, raws, strict=True):
            start, end = end, end + len(raw) // _RELA_SIZE
            if start < end and _refuses(table, types, places[start:end], kinds[start:end]):
                return True
    except IndexError:
        return True
    return False


def _kinds(whole: bytes, types: Types) -> bytes | list[int] | None:
    """The type of each entry; None when one of them is not known."""
    low = whole[_TYPE_AT::_RELA_SIZE]
    above = whole[_TYPE_AT + 1 :: _RELA_SIZE] + whole[_TYPE_AT + 2 :: _RELA_SIZE] + whole[_TYPE_AT + 3 :: _RELA_SIZE]
    if above.count(0) == len(above):
        return None if low.translate(None, types.allowed) else low
    kinds = memoryview(whole).cast("I")[_TYPE_AT // 4 :: _RELA_SIZE // 4].tolist()
    return kinds if types.widths.keys() >= set(kinds) else None


def _refuses(table: Table, types: Types, places: list[int], kinds: bytes | list[int]) -> bool:
    """Whether an entry of one table writes outside its section, or over bytes that are not zero.

    IndexError when one lies outside.
    """
    widths = {types.widths[kind] for kind in set(kinds)}
    checked = types.zero_targets and table.content.count(0) != len(table.content)
    if not checked or isinstance(kinds, list):
        return checked or max(places) + max(widths) > table.size
    for width in widths - {0}:
        chosen = places if len(widths) == 1 else compress(places, kinds.translate(types.masks[width]))
        if any(map(smear(table.content, width).__getitem__, chosen)):
            return True
    return False


def smear(content: bytes, width: int) -> bytes:
    """Each byte OR-ed with the `width` - 1 bytes after it, as far as there are so many."""
    number = int.from_bytes(content, "little")
    step = 1
    while step < width:
        number |= number >> (8 * step)
        step *= 2
    return number.to_bytes(len(content), "little")[: max(len(content) - width + 1, 0)]


CHECKS: dict[str, Check] = {"relocations": relocations}
