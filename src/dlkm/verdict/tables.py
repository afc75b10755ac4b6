# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of a module that the kernel follows: whether each entry's relocations lead to where such entries lead."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlkm.verdict.candidate import Candidate
from dlkm.verdict.contents import FUNCTIONS, STRUCT, Known, more_faults, struct_places
from dlkm.verdict.era import Era
from dlkm.verdict.owners import Entries, Owners

Fault = tuple[str, dict[str, object]]  # a rule and its values


_DISTANCE = 4  # bytes of a field
_WIDTHS = {"address": 8, "distance": _DISTANCE, "long distance": 8}
_LEADS = {
    "code": frozenset({"code"}),
    "struct": frozenset({"struct", "written"}),
    "own": frozenset({"code", "data", "struct", "written"}),
    "key": frozenset({"struct", "written", "start", "thing", "function"}),  # or what calls by it
    "label": frozenset({"written", "start", "thing", "into"}),
    "patch": frozenset({"code", "start", "thing", "function"}),
    "set": frozenset({"struct", "written", "start"}),
}
_FLAGS = {"key": 3, "label": 3}  # bits of an address that tell of its use


def table_faults(
    candidate: Candidate,
    era: Era,
    names: Sequence[str],
    entries: Mapping[int, Entries],
    owners: Owners,
    known: Known,
) -> Iterator[Fault]:
    """Entries that lead elsewhere, or nowhere; a struct module with other addresses than its two functions'."""
    types = dict(era.words("field-types"))
    tables = {name: (size, fields) for name, size, fields in era.words("kernel-tables")}
    words = {name: rest for name, *rest in era.words("site-words")}
    sites = dict(era.words("relocated-sites"))
    none = Entries(b"")
    for index, name in enumerate(names):
        section = candidate.sections[index]
        if name not in tables or not section.size:
            continue
        table = entries.get(index, none)
        why = _fault(section.size, *tables[name], types, table, owners) or _site(table, words.get(name, ()), owners)
        if why is None and name in sites:
            why = _bare(table, sites[name], owners, entries)
        why = why or more_faults(candidate, era, index, name, table, owners)
        if why is not None:
            yield "table-damaged", {"subject": name, "why": why}
            continue
        unit = known.aligned.get(name, 1)
        for place in _unaligned(candidate, table, unit) if unit > 1 else ():
            yield "table-damaged/unaligned", {"subject": name, "place": place, "unit": unit}
    for index, table in entries.items():
        why = _struct(candidate, types["address"], table, known) if names[index] == STRUCT else None
        if why is not None:
            yield "table-damaged", {"subject": STRUCT, "why": why}


def _unaligned(candidate: Candidate, table: Entries, unit: int) -> Iterator[int]:
    """The entries for sites that are not where the kernel patches any."""
    raw, size = candidate.symbol_bytes, candidate.layout.symbol.size
    values = [int.from_bytes(raw[at + 8 : at + 16], "little") for at in range(0, len(raw), size)]
    for place, symbol, addend in zip(table.places, table.symbols, table.addends, strict=True):
        if symbol < len(values) and (values[symbol] + addend) % unit:
            yield place


def _bare(table: Entries, words: Sequence[str], owners: Owners, entries: Mapping[int, Entries]) -> str | None:
    """The first entry of a sound table for a call or jump that no relocation completes."""
    none = Entries(b"")
    for place, symbol, addend in zip(table.places, table.symbols, table.addends, strict=True):
        if owners.code(symbol, addend).startswith(tuple(words)):
            section, start = owners.place(symbol, addend)
            if start + 1 not in entries.get(section, none).by_place:
                return f"has an entry at {place:#x} for a call that leads nowhere"
    return None


def _struct(candidate: Candidate, address: int, table: Entries, known: Known) -> str | None:
    """What is wrong with struct module's relocations (scripts/mod/modpost.c: add_header)."""
    found = struct_places(candidate.elf)
    if set(table.kinds) - {address}:
        return "holds relocations that are no addresses"
    if not found.keys() <= FUNCTIONS or len(found) != len(table.places) or any(table.addends):
        return "has addresses of others than its init and exit functions"
    if any(place != known.struct_places.get(name, place) for name, place in found.items()):
        return "has the addresses of its init and exit functions at other places than the kernel's own modules"
    return None


def idle_types(era: Era) -> frozenset[int]:
    """The relocation types that write nothing."""
    return frozenset(number for size, numbers in era.words("relocations") if not size for number in numbers)


def _fault(
    size: int, entry: int, fields: Sequence[Any], types: Mapping[str, int], table: Entries, owners: Owners
) -> str | None:
    """What is wrong with a table; None for a sound one."""
    step = entry or size * len(fields) // max(len(table.places), 1)
    filled = max((at + _WIDTHS[way] for at, way, _ in fields), default=step)  # the last entry may end there
    if not step or 0 < size % step < filled or (not entry and step > size):
        return f"has {size} bytes, no whole number of entries"
    for at, way, where in fields:
        for place in range(at, size, step):
            row = table.by_place.get(place)
            if row is None:
                return f"has an entry at {place:#x} that leads nowhere"
            leads = owners.leads(table.symbols[row], table.addends[row] & ~_FLAGS.get(where, 0))
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
