# SPDX-License-Identifier: GPL-2.0-or-later
"""Applying relocations, as far as a file alone decides it: their types, and what stands at their targets."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress
from struct import Struct

from dlkm.verdict.candidate import SHF_ALLOC, SHF_RELA_LIVEPATCH, SHT_NOBITS, SHT_REL, SHT_RELA, Candidate
from dlkm.verdict.case import Case, Check, Trip


@dataclass(frozen=True, slots=True)
class Types:
    """An architecture's relocation types that the loader knows, each with the bytes it writes; 0 for none.

    `zero_targets`: whether the loader insists that these bytes be zero (arch/x86/kernel/module.c).
    """

    widths: dict[int, int]
    zero_targets: bool

    @property
    def allowed(self) -> bytes:
        """The types as bytes; every one is below 256 where this is asked for."""
        return bytes(number for number in self.widths if number < 256)


def types_of(case: Case) -> Types | None:
    """From data/eras.toml; None for an architecture that is not listed."""
    known = case.era.words("relocations")
    if not known:
        return None
    widths = {number: width for width, numbers in known for number in numbers}
    return Types(widths, "zero-relocation-targets" in case.era.features)


def relocations(case: Case) -> Iterator[Trip]:
    """Section by section, entry by entry; the first refusal ends it (kernel/module/main.c: apply_relocations)."""
    types = types_of(case)
    if types is None:
        return
    for index, section in enumerate(case.candidate.sections[1:], 1):
        if not section.info < len(case.candidate.sections):
            continue
        target = case.candidate.sections[section.info]
        if not target.flags & SHF_ALLOC or section.flags & SHF_RELA_LIVEPATCH:
            continue
        if section.type == SHT_REL and case.candidate.layout.bits == 64:
            yield case.trip("rel-section", subject=case.candidate.section_name(index))
            return
        if section.type == SHT_RELA:
            trip = _section(case, types, index)
            if trip is not None:
                yield trip
                return


def _section(case: Case, types: Types, index: int) -> Trip | None:
    """The first entry of one section that is refused."""
    candidate = case.candidate
    raw = candidate.contents(index)
    if not suspicious(candidate, types, raw, candidate.sections[index].info):
        return None
    target = candidate.sections[index].info
    limit = candidate.sections[target].size
    content = bytes(limit) if candidate.sections[target].type == SHT_NOBITS else candidate.contents(target)
    for place, kind in entries(candidate, raw):
        width = types.widths.get(kind)
        if width is None:
            return case.trip("relocation-type", type=kind, section=candidate.section_name(target))
        if width and place + width > limit:
            return case.trip("relocation-outside", place=place, section=candidate.section_name(target))
        if types.zero_targets and any(content[place : place + width]):
            return case.trip("relocation-target", type=kind, place=place, section=candidate.section_name(target))
    return None


def entries(candidate: Candidate, raw: bytes) -> Iterator[tuple[int, int]]:
    """Place and type of each entry of a table of Elf_Rela."""
    wide = candidate.layout.bits == 64
    entry = Struct((">" if candidate.layout.big_endian else "<") + ("QQq" if wide else "IIi"))
    mask = 0xFFFFFFFF if wide else 0xFF
    for place, info, _ in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
        yield place, info & mask


def suspicious(candidate: Candidate, types: Types, raw: bytes, target: int) -> bool:
    """Whether a table needs a look at each entry; quick, so that a good module costs little.

    Works on whole columns of the table: the types as bytes, and the places as numbers that index the target with every
    byte made the OR of the following ones, so that one look tells whether all bytes of a target are zero.
    """
    if not types.zero_targets or candidate.layout.bits != 64 or candidate.layout.big_endian:
        return True
    raw = raw[: len(raw) - len(raw) % _RELA_SIZE]
    kinds = raw[_TYPE_AT::_RELA_SIZE]
    high = (raw[_TYPE_AT + more :: _RELA_SIZE] for more in (1, 2, 3))
    if kinds.translate(None, types.allowed) or any(map(any, high)):
        return True
    places = memoryview(raw).cast("Q")[0::3].tolist()
    widths = {types.widths[kind] for kind in set(kinds)} - {0}
    section = candidate.sections[target]
    if places and max(places) + max(widths, default=0) > section.size:
        return True
    content = candidate.contents(target)
    return any(content) and any(
        any(map(smear(content, width).__getitem__, _of_width(places, kinds, types, width))) for width in widths
    )


_RELA_SIZE, _TYPE_AT = 24, 8  # Elf64_Rela, and the lowest byte of its type, little-endian


def _of_width(places: list[int], kinds: bytes, types: Types, width: int) -> Iterable[int]:
    """The places where `width` bytes are written."""
    wanted = bytes(types.widths.get(number) == width for number in range(256))
    chosen = kinds.translate(wanted)
    return places if all(chosen) else compress(places, chosen)


def smear(content: bytes, width: int) -> bytes:
    """Each byte OR-ed with the `width` - 1 bytes after it, the end padded with zeroes."""
    number = int.from_bytes(content, "little")
    step = 1
    while step < width:
        number |= number >> (8 * step)
        step *= 2
    return number.to_bytes(len(content), "little")


CHECKS: dict[str, Check] = {"relocations": relocations}
