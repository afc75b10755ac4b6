# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a module's relocations lead: to the place in a section, or the function, that a compiler would have meant."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress

from dlkm.ko.elf import SHF_EXECINSTR, SHN_UNDEF, SHT_NOBITS, STT_FUNC
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.era import Era
from dlkm.verdict.owners import Entries
from dlkm.verdict.tables import Fault

_FAR = 1 << 20  # bytes from the start of a thing of another that nothing in it is away
_WORD = 4  # bytes


class Places:
    """A module's symbols as columns, and its functions by where they begin (Elf64_Sym, little-endian)."""

    def __init__(self, candidate: Candidate) -> None:
        raw = candidate.symbol_bytes
        self.owners: list[int] = memoryview(raw).cast("H")[3::12].tolist()
        self.values: list[int] = memoryview(raw).cast("Q")[1::3].tolist()
        sizes: list[int] = memoryview(raw).cast("Q")[2::3].tolist()
        functions = [kind & 15 == STT_FUNC for kind in raw[4::24]]
        self._functions = sorted(compress(zip(self.owners, self.values, sizes, strict=True), functions))

    def is_within_function(self, owner: int, value: int) -> bool:
        """Whether a function is there that began before; functions within others count as well."""
        at = bisect_right(self._functions, (owner, value, 1 << 64)) - 1
        if at < 0:
            return False
        section, start, size = self._functions[at]
        return section == owner and start < value < start + size


def reference_faults(
    candidate: Candidate, era: Era, names: Sequence[str], entries: Mapping[int, Entries]
) -> Iterator[Fault]:
    """Relocations that lead out of their symbol's section, into the midst of a function, or were taken away."""
    places = Places(candidate)
    for target, table in entries.items():
        code = bool(candidate.sections[target].flags & SHF_EXECINSTR)
        content = b"" if candidate.sections[target].type == SHT_NOBITS else candidate.contents(target)
        for place, why in (
            *_twice(era, table),
            *_taken(era, table, content, code=code),
            *(_waiting(era, table, content) if code else ()),
            *_far(candidate, era, table, places, code=code),
            *(_calls(candidate, era, table, content, places) if code else ()),
            *(() if code else _pointers(candidate, era, names[target], table, places)),
        ):
            yield "relocation-astray", {"subject": names[target], "place": place, "why": why}
            return
    why_lone = _lone(candidate, era, entries, names)
    if why_lone is not None:
        yield why_lone


def _twice(era: Era, table: Entries) -> Iterator[tuple[int, str]]:
    """Two entries for one place, of which the second would write over the first."""
    if era.words("relocation-none") and len(table.by_place) != len(table.places):
        place = next(place for row, place in enumerate(table.places) if table.by_place[place] != row)
        yield place, "is not the only one"


def _waiting(era: Era, table: Entries, content: bytes) -> Iterator[tuple[int, str]]:
    """Calls of what stands right behind them: what was to be called no entry tells."""
    for raw in era.words("calls-unrelocated"):
        word = bytes.fromhex(raw)
        place = content.find(word)
        while place >= 0:
            if place % len(word) == 0 and place not in table.by_place:
                yield place, "is missing for the call that stands there"
            place = content.find(word, place + 1)


def _taken(era: Era, table: Entries, content: bytes, *, code: bool) -> Iterator[tuple[int, str]]:
    """Entries of no type where something is waited for: what tools make of a call they take out is another word."""
    none = frozenset(era.words("relocation-none"))
    if none.isdisjoint(table.kinds):
        return
    waiting = {(mask, bits) for _, mask, bits in era.words("relocation-instructions")} if code else set()
    for place, kind in zip(table.places, table.kinds, strict=True):
        word = int.from_bytes(content[place : place + _WORD], "little")
        if kind in none and (not word or any(word & mask == bits for mask, bits in waiting)):
            yield place, "has no type, and what stands there waits for one"


def _far(candidate: Candidate, era: Era, table: Entries, places: Places, *, code: bool) -> Iterator[tuple[int, str]]:
    """What leads out of the section of its symbol, or far from another's thing."""
    sections, owners, values = candidate.sections, places.owners, places.values
    strict = {kind: rest for kind, where, *rest in era.words("relocation-reaches") if where == code}
    if strict.keys().isdisjoint(table.kinds):
        return
    for kind, symbol, addend in set(zip(table.kinds, table.symbols, table.addends, strict=True)):
        owner = owners[symbol] if symbol < len(owners) else SHN_UNDEF
        if kind not in strict or not symbol or owner >= len(sections):
            continue
        ahead, below, above = strict[kind]
        if owner == SHN_UNDEF:
            wrong = not -_FAR < addend < _FAR
        else:
            wrong = not -below <= values[symbol] + addend + ahead <= sections[owner].size + above
        if wrong:
            yield _place_of(table, kind, symbol, addend), "leads out of what its symbol names"


def _place_of(table: Entries, *entry: int) -> int:
    rows = zip(table.kinds, table.symbols, table.addends, strict=True)
    return next(place for place, row in zip(table.places, rows, strict=True) if row == entry)


def _calls(candidate: Candidate, era: Era, table: Entries, content: bytes, places: Places) -> Iterator[tuple[int, str]]:
    """Calls of what is no code, of the midst of a function, of anything but the start of another's."""
    owners, sections = places.owners, candidate.sections
    for number, addend, room, ahead, opcode in era.words("relocation-calls"):
        chosen = [kind == number for kind in table.kinds]
        rows = zip(table.places, table.symbols, table.addends, strict=True)
        for place, symbol, found in compress(rows, chosen):
            owner = owners[symbol] if symbol < len(owners) else SHN_UNDEF
            if owner == SHN_UNDEF:
                if not 0 <= found - addend < room:
                    yield place, "calls the midst of another's function"
            elif owner < len(sections):
                if not sections[owner].flags & SHF_EXECINSTR:
                    yield place, "calls what is no code"
                called = content[place + ahead : place + ahead + 1] == bytes([opcode])
                if called and places.is_within_function(owner, places.values[symbol] + found - addend):
                    yield place, "calls the midst of a function"


def _pointers(candidate: Candidate, era: Era, name: str, table: Entries, places: Places) -> Iterator[tuple[int, str]]:
    """What is no address in data, and what leads into the midst of a function: tables of jumps lie elsewhere."""
    if not name.startswith(tuple(era.words("function-pointers"))):
        return
    address = dict(era.words("field-types"))["address"]
    others = frozenset(table.kinds) - {address, *era.words("relocation-none")}
    for place in compress(table.places, [kind in others for kind in table.kinds] if others else ()):
        yield place, "is no address, and nothing else is in data"
    rows = zip(table.places, table.symbols, table.addends, strict=True)
    for place, symbol, addend in compress(rows, [kind == address for kind in table.kinds]):
        owner = places.owners[symbol] if symbol < len(places.owners) else SHN_UNDEF
        if 0 < owner < len(candidate.sections) and places.is_within_function(owner, places.values[symbol] + addend):
            yield place, "leads into the midst of a function"


def _lone(candidate: Candidate, era: Era, entries: Mapping[int, Entries], names: Sequence[str]) -> Fault | None:
    """A symbol of which code has the page and not the place in it, or the other way about."""
    pages, rests = (frozenset(kinds) for kinds in era.words("relocation-pages") or ((), ()))
    used: tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]] = ({}, {})
    for target, table in entries.items():
        if not pages or not candidate.sections[target].flags & SHF_EXECINSTR:
            continue
        for kinds, symbols in zip((pages, rests), used, strict=True):
            chosen = [kind in kinds for kind in table.kinds]
            at = zip(table.symbols, table.places, strict=True)
            symbols.update((symbol, (target, place)) for symbol, place in compress(at, chosen))
    for symbol in used[0].keys() ^ used[1].keys():
        target, place = used[0].get(symbol) or used[1][symbol]
        why = "gives one half of an address, of which nothing gives the other"
        return "relocation-astray", {"subject": names[target], "place": place, "why": why}
    return None
