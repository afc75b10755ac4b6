# SPDX-License-Identifier: GPL-2.0-or-later
"""Signs that a file is not as a linker wrote it, where the loader follows it all the same: what comes of that nobody
can tell. For 64-bit little-endian modules.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, pairwise

from dlkm.kernel.facts import Facts
from dlkm.ko.elf import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_RELA_LIVEPATCH,
    SHF_WRITE,
    SHN_UNDEF,
    SHT_NOBITS,
    SHT_NULL,
    SHT_RELA,
    STT_FILE,
    STT_FUNC,
    STT_SECTION,
    text,
)
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.contents import Known, struct_places
from dlkm.verdict.era import Era
from dlkm.verdict.layout import moved_in, moved_sections
from dlkm.verdict.owners import Entries, Owners
from dlkm.verdict.references import reference_faults
from dlkm.verdict.tables import Fault, idle_types, table_faults

_RELOCATIONS = ".rela"
_PADDING = 8  # bytes that may lie between two sections, whatever is in them
_NEEDED = {"run": SHF_EXECINSTR, "written": SHF_WRITE}


def soundness(case: Case) -> Iterator[Trip]:
    """What the loader would follow into nowhere (kernel/module/main.c: post_relocation, prepare_coming_module)."""
    for rule, values in faults(case.candidate, case.era, moved_sections(case), known_of(case.facts, case.era)):
        yield case.trip(rule, **values)  # type: ignore[arg-type]


def is_sound(candidate: Candidate, facts: Facts, era: Era) -> bool:
    """Whether none of the signs is there, for a kernel with SMP."""
    return next(faults(candidate, era, moved_in(candidate, smp=True), known_of(facts, era)), None) is None


def known_of(facts: Facts, era: Era) -> Known:
    """What this kernel's configuration and one of its own modules tell of the tables in others."""
    entry, own = era.entry("aligned-sites"), facts.own_module
    return Known(
        aligned=dict(entry.get("list", ())) if facts.option(entry.get("option", "")) else {},
        struct_places=struct_places(own.elf) if own is not None else {},
    )


def faults(candidate: Candidate, era: Era, moved: frozenset[int], known: Known | None = None) -> Iterator[Fault]:
    """The first sign of each kind. `moved` are the sections that get memory, `known` is the kernel's own.

    None on an architecture of which eras.toml does not tell how fields are written: its sound modules were not held
    against these signs, and RISC-V's have anchors beyond the end of their sections.
    """
    if candidate.layout.bits != 64 or candidate.layout.big_endian or not era.words("field-types"):
        return
    names = [candidate.section_name(index) for index in range(len(candidate.sections))]
    entries = {
        section.info: Entries(candidate.contents(index))
        for index, section in enumerate(candidate.sections)
        if section.type == SHT_RELA and section.info in moved and not section.flags & SHF_RELA_LIVEPATCH
    }
    owners = Owners(candidate, moved, _called(candidate, era, entries))
    for kind in (
        _unnamed(candidate),
        _overlap(candidate, moved, names),
        _access(candidate, era, names),
        _astray(candidate, names),
        _symbols(candidate, era, moved, names),
        _lost(candidate, era, moved, names, entries),
        table_faults(candidate, era, names, entries, owners, known or Known()),
        _instructions(candidate, era, names, entries),
        reference_faults(candidate, era, names, entries),
        _unclaimed(candidate, moved, names),
    ):
        found = next(kind, None)
        if found is not None:
            yield found


def _called(candidate: Candidate, era: Era, entries: Mapping[int, Entries]) -> frozenset[int]:
    """The symbols that code calls."""
    calls = frozenset(number for number, *_ in era.words("relocation-calls"))
    code = (table for target, table in entries.items() if candidate.sections[target].flags & SHF_EXECINSTR)
    return frozenset(
        symbol for table in code for symbol in compress(table.symbols, [kind in calls for kind in table.kinds])
    )


def _unnamed(candidate: Candidate) -> Iterator[Fault]:
    """Names that later steps read, whatever the section holds (arch/x86/kernel/module.c: module_finalize)."""
    for index, section in enumerate(candidate.sections):
        if section.name >= len(candidate.section_names):
            yield "section-unnamed", {"index": index}


def _overlap(candidate: Candidate, moved: frozenset[int], names: Sequence[str]) -> Iterator[Fault]:
    """Two parts that share bytes of the file, of those that the loader uses."""
    filled = {at for at in _used(candidate, moved) if candidate.sections[at].size}
    parts = _parts(candidate, names, filled)
    for (start, size, name), (following, _, other) in pairwise(parts):
        if start + size > following:
            yield "sections-overlap", {"subject": name, "other": other}


def _unclaimed(candidate: Candidate, moved: frozenset[int], names: Sequence[str]) -> Iterator[Fault]:
    """Bytes that no section has, though something is in them: a linker leaves nothing there but what aligns.

    They may be those of a section that nothing needs, and that lies over another.
    """
    sections, used = candidate.sections, _used(candidate, moved)
    filled = {at for at, section in enumerate(sections) if section.type != SHT_NULL and section.size}
    parts = _parts(candidate, names, filled)
    lent = [
        sections[at].size
        for at in filled - used
        if any(
            start < sections[at].offset + sections[at].size and sections[at].offset < start + size
            for start, size, name in parts
            if name != names[at]
        )
    ]
    end, before = 0, ""
    for start, size, name in parts:
        gap = start - end
        if gap > _PADDING and gap > max(lent, default=0) + _PADDING and any(candidate.data[end:start]):
            yield "bytes-unclaimed", {"subject": before, "place": end, "size": gap}
        if start + size > end:
            end, before = start + size, name


def _used(candidate: Candidate, moved: frozenset[int]) -> set[int]:
    """The sections that the loader uses."""
    tables = {
        index for index, section in enumerate(candidate.sections) if section.type == SHT_RELA and section.info in moved
    }
    return {*moved, *tables, candidate.header.shstrndx}


def _parts(candidate: Candidate, names: Sequence[str], chosen: Iterable[int]) -> list[tuple[int, int, str]]:
    """Place, size and name of the parts of the file, in its order; of the chosen sections those with bytes in it."""
    header, sections = candidate.header, candidate.sections
    return sorted(
        [
            (0, candidate.header_size, "the ELF header"),
            (header.shoff, header.shnum * candidate.layout.section.size, "the section headers"),
            *((sections[at].offset, sections[at].size, names[at]) for at in chosen if sections[at].type != SHT_NOBITS),
        ]
    )


def _access(candidate: Candidate, era: Era, names: Sequence[str]) -> Iterator[Fault]:
    """Sections by the name of what is run or written that nobody may run or write."""
    for what, sections in era.words("section-access"):
        needed = SHF_ALLOC | _NEEDED[what]
        for name, section in zip(names, candidate.sections, strict=True):
            if name in sections and section.size and section.flags & needed != needed:
                yield "section-access", {"subject": name, "what": what}


def _astray(candidate: Candidate, names: Sequence[str]) -> Iterator[Fault]:
    """What is called like the relocations of a section that is to have memory, and is not; the other way about, too."""
    for name, section in zip(names, candidate.sections, strict=True):
        if section.flags & SHF_RELA_LIVEPATCH:
            continue
        target = names[section.info] if section.type == SHT_RELA and section.info < len(names) else ""
        called = name.removeprefix(_RELOCATIONS) if name.startswith(_RELOCATIONS) else ""
        if (called or target) and called != target and (candidate.find(called) or candidate.find(target)):
            yield "relocations-astray", {"subject": name, "other": called or target}
        elif target and section.size % Entries.SIZE:
            yield "relocations-astray", {"subject": name, "other": target}


def _symbols(candidate: Candidate, era: Era, moved: frozenset[int], names: Sequence[str]) -> Iterator[Fault]:
    """Symbols outside their sections, functions outside code, own symbols with a version."""
    versions, strings = candidate.versions or {}, candidate.symbol_names
    unit = next(iter(era.words("function-alignment")), 1)
    if any(candidate.symbol_bytes[: candidate.layout.symbol.size]):
        yield "symbol-astray", {"subject": "0", "why": "is not empty"}
    for start, info, _, owner, value, size in candidate.layout.symbol.iter_unpack(candidate.symbol_bytes):
        kind, where = info & 15, names[owner] if owner < len(names) else "no section"
        if start >= len(strings):
            yield "symbol-astray", {"subject": f"of {where}", "why": "has its name outside the table of names"}
        section = candidate.sections[owner] if owner < len(names) else None
        if owner == SHN_UNDEF or kind == STT_FILE:
            continue
        if section is not None and owner in moved and value + size > section.size:
            why = f"ends at {value + size:#x} in {where}, which has {section.size:#x} bytes"
        elif kind == STT_FUNC and (section is None or not section.flags & SHF_EXECINSTR):
            why = f"is a function, and {where} is no code"
        elif kind == STT_FUNC and value % unit:
            why = f"is a function, and does not begin at a multiple of {unit}"
        elif kind == STT_SECTION and value:
            why = "stands for a section, and is not its beginning"
        elif kind != STT_SECTION and versions and _name(strings, start) in versions:
            why = "has a version like a symbol of others, and is the module's own"
        else:
            continue
        yield "symbol-astray", {"subject": _name(strings, start) or f"of {where}", "why": why}


def _name(strings: bytes, start: int) -> str:
    return text(strings[start : max(strings.find(b"\0", start), start)])


def _lost(
    candidate: Candidate, era: Era, moved: frozenset[int], names: Sequence[str], entries: Mapping[int, Entries]
) -> Iterator[Fault]:
    """Addresses of nothing, or of what the loader leaves in the file, and frees with it."""
    raw, width = candidate.symbol_bytes, candidate.layout.symbol.size
    sections = [int.from_bytes(raw[at + 6 : at + 8], "little") for at in range(0, len(raw), width)]
    freed = frozenset(range(1, len(names))) - moved - {candidate.find(".data..percpu")}
    for target, table in entries.items():
        used = set(table.symbols)
        for owner in {sections[symbol] for symbol in used if symbol < len(sections)} & freed:
            yield "address-lost", {"subject": names[target], "other": f"{names[owner]}, which gets no memory"}
        named = zip(table.kinds, table.symbols, strict=True)
        if 0 in used and not {kind for kind, symbol in named if not symbol} <= idle_types(era):
            yield "address-lost", {"subject": names[target], "other": "nothing"}


def _instructions(candidate: Candidate, era: Era, names: Sequence[str], entries: dict[int, Entries]) -> Iterator[Fault]:
    """Relocations of a type that is for another instruction than stands there."""
    wanted = {kind: (mask, bits) for kind, mask, bits in era.words("relocation-instructions")}
    if not wanted:
        return
    for target, table in entries.items():
        if not candidate.sections[target].flags & SHF_EXECINSTR or candidate.sections[target].type == SHT_NOBITS:
            continue
        content = candidate.contents(target)
        for place, kind in zip(table.places, table.kinds, strict=True):
            mask, bits = wanted.get(kind, (0, 0))
            if int.from_bytes(content[place : place + 4], "little") & mask != bits:
                yield "relocation-instruction", {"subject": names[target], "place": place, "type": kind}


CHECKS: dict[str, Check] = {"soundness": soundness}
