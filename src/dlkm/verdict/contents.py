# SPDX-License-Identifier: GPL-2.0-or-later
"""What tables that the kernel follows hold beside addresses: features, lengths, names; where sites may lie."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlkm.ko.elf import Elf, text
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.era import Era
from dlkm.verdict.owners import Entries, Owners

_EXPORT = b"__ksymtab_"
_EXPORTS = frozenset({"__ksymtab", "__ksymtab_gpl"})

STRUCT = ".gnu.linkonce.this_module"
FUNCTIONS = frozenset({"init_module", "cleanup_module"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a kernel itself tells.

    `aligned` are tables, each with the number that the places its entries lead to are multiples of. `struct_places` are
    the places of addresses in struct module, by the symbols' names.
    """

    aligned: Mapping[str, int] = field(default_factory=dict)
    struct_places: Mapping[str, int] = field(default_factory=dict)


def struct_places(elf: Elf) -> dict[str, int]:
    """Where the addresses of functions stand in a module's struct module, by the functions' names."""
    if elf.bits != 64 or elf.big_endian:
        return {}
    table = Entries(elf.bytes_named(f".rela{STRUCT}") or b"")
    symbol, raw = elf.layout.symbol, elf.symbol_bytes
    rows = ((at, number * symbol.size) for at, number in zip(table.places, table.symbols, strict=True))
    starts = {at: symbol.unpack_from(raw, start)[0] for at, start in rows if start < len(raw)}
    return {text(elf.string(elf.symbol_names, start, "a symbol's name")): at for at, start in starts.items()}


def more_faults(
    candidate: Candidate,
    era: Era,
    index: int,
    name: str,
    table: Entries,
    owners: Owners,
) -> str | None:
    """What is wrong with a table whose entries lead where they should; None for a sound one."""
    if name == ".altinstructions":
        return next(_alternatives(candidate.contents(index), era, table, owners), None)
    if name in _EXPORTS and era.words("export-names"):
        return next(_names(candidate, era, index, table, owners), None)
    return None


def _alternatives(content: bytes, era: Era, table: Entries, owners: Owners) -> Iterator[str]:
    """Features that there are not, lengths that do not fit each other (arch/*/kernel/alternative.c)."""
    size = 2 * len(content) // max(len(table.places), 1)
    for entry, word, mask, most, old_at, new_at, unit, way, done in era.words("alternatives"):
        for start in range(0, len(content) if entry == size else 0, entry):
            said = int.from_bytes(content[start + word : start + word + 2], "little")
            old, new = content[start + old_at], content[start + new_at]
            fits = new <= old if way == "less" else new == (0 if said & done else old)
            if said & mask >= most:
                yield f"has an entry at {start:#x} for feature {said & mask}, which no kernel knows"
            if not fits or not old or old % unit:
                yield f"has an entry at {start:#x} for {old} bytes of code, with {new} in their place"
    entry, *rest = era.words("direct-alternatives") or (0,)
    if entry == size:
        yield from _direct(content, size, rest, table, owners)


def _direct(content: bytes, size: int, rest: Sequence[Any], table: Entries, owners: Owners) -> Iterator[str]:
    """Calls by an address in memory that are to become direct ones, and are none (alt_replace_call)."""
    flags, bit, *wanted = rest
    for start in range(0, len(content), size):
        rows = [table.by_place[start + at] for at in (0, 4)]
        codes = [owners.code(table.symbols[row], table.addends[row]) for row in rows]
        found = zip(codes, content[start + size - len(codes) : start + size], wanted, strict=True)
        if content[start + flags] & bit and not all(
            code.startswith(begin) and length == whole for code, length, (begin, whole) in found
        ):
            yield f"has an entry at {start:#x} that makes a direct call of what is none"


def _names(candidate: Candidate, era: Era, index: int, table: Entries, owners: Owners) -> Iterator[str]:
    """Names other than those of the entries' symbols, and what is no string (include/linux/export-internal.h)."""
    entry, name, namespace = era.words("export-names")
    flags = candidate.find("__kflagstab") if "export-flags" in era.features else 0
    if flags and candidate.sections[flags].size * entry != candidate.sections[index].size:
        yield "has not one byte of flags (__kflagstab) for each entry"
    symbols, strings = candidate.layout.symbol.iter_unpack(candidate.symbol_bytes), candidate.symbol_names
    said = {
        value: strings[start + len(_EXPORT) : strings.find(b"\0", start)]
        for start, _, _, owner, value, _ in symbols
        if owner == index and strings.startswith(_EXPORT, start)
    }
    for start in range(0, candidate.sections[index].size, entry):
        at, space = (
            owners.text(table.symbols[row], table.addends[row])
            for row in (table.by_place[start + name], table.by_place[start + namespace])
        )
        if said.get(start, at[1]) != at[1] or at[0].strip(b"\0") or space[0].strip(b"\0"):
            yield f"has an entry at {start:#x} whose name is another than its symbol's, or is no name"
