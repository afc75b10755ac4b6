# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of a module is read: beyond that its tables would take memory and time out of proportion. Reads none."""

from collections.abc import Iterator, Sequence

from dlkm.core.errors import MalformedError
from dlkm.ko.elf import SHF_ALLOC, SHT_NOBITS, SHT_REL, SHT_RELA, SHT_SYMTAB, Elf, text

_RELOCATING = frozenset({SHT_RELA, SHT_REL})
# Bytes. The largest of any kernel's own modules is amdgpu: 13 MB of relocations, 7 MB of code, 1 MB of symbols; the
# largest .modinfo has 76 KB, the largest __versions 79 KB.
_MOST = 48 << 20
_MOST_OF = {b".modinfo": 4 << 20, b".comment": 4 << 20, b"__versions": 16 << 20}
_MOST_SYMBOLS, _MOST_RELOCATIONS, _MOST_LOADED = 16 << 20, 32 << 20, 192 << 20
_NO_MATTER = 1 << 20  # bytes of all sections up to which nothing can be too large

_Raw = tuple[int, ...]  # a section header: name, type, flags, address, offset, size, link, info, …


def hold_within(elf: Elf) -> None:
    """MalformedError for a module with a table that is larger than any; what leaves the file is for others to tell."""
    try:
        raws = elf.raw_sections
    except MalformedError:
        return
    if sum(raw[5] for raw in raws) <= _NO_MATTER:
        return
    for what, sections, most in _read(elf, raws):
        size = sum(raw[5] for raw in sections)
        if size > most:
            told = f"{elf.where}: {what}: {size} bytes are more than any module has; up to {most} are read"
            raise MalformedError(told, offset=max(sections, key=lambda raw: raw[5])[4])


def _read(elf: Elf, raws: Sequence[_Raw]) -> Iterator[tuple[str, Sequence[_Raw], int]]:
    """What is read as a whole: its name, its sections, the most that they may have together."""
    within = [raw for raw in raws if raw[1] != SHT_NOBITS and raw[4] + raw[5] <= len(elf.data)]
    linked = {raw[6] for raw in within if raw[1] == SHT_SYMTAB}
    strings = {raws[at][4] for at in {*linked, elf.header.shstrndx} if at < len(raws)}
    for raw in within:
        name = _name(elf, raw)
        if raw[1] == SHT_SYMTAB:
            yield "the symbols", [raw], _MOST_SYMBOLS
        elif name in _MOST_OF or _is_loaded(raw) or raw[4] in strings:
            yield f"section {text(name)}", [raw], _MOST_OF.get(name, _MOST)
    moved = [raw for raw in within if raw[1] in _RELOCATING and raw[7] < len(raws) and _is_loaded(raws[raw[7]])]
    yield "its relocations", moved, _MOST_RELOCATIONS
    yield "what is to be loaded", [raw for raw in within if _is_loaded(raw)], _MOST_LOADED


def _is_loaded(raw: _Raw) -> bool:
    return bool(raw[2] & SHF_ALLOC)


def _name(elf: Elf, raw: _Raw) -> bytes:
    """A section's name; b"" of one that has none in the file."""
    try:
        return elf.string(elf.section_names, raw[0], "a section's name")
    except MalformedError:
        return b""
