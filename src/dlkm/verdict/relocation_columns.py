# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of relocations as columns of numbers, for a quick look; an architecture's types, from data/eras.toml."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import compress, pairwise
from operator import add, le

from dlkm.verdict.era import Era


@dataclass(frozen=True)
class Types:
    """An architecture's relocation types that the loader knows, each with the bytes it writes; 0 for none.

    `zero_targets`: whether the loader insists that these bytes be zero (arch/x86/kernel/module.c); `narrow` are types
    whose values hardly ever fit; `addresses` those that write a whole address.
    `optional` are types that only kernels with an option know, `refused` those that it refuses in words of their own.
    """

    widths: dict[int, int]
    zero_targets: bool
    optional: dict[int, str]
    refused: dict[int, str]
    narrow: frozenset[int]
    addresses: frozenset[int]

    @cached_property
    def allowed(self) -> bytes:
        """The types below 256 as bytes."""
        return bytes(number for number in self.widths if number < 256 and number not in self.narrow)

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
        narrow=frozenset(
            [number for number, *limits in era.words("relocation-ranges") if limits != _SIGNED]
            + [number for number, _, high in era.words("relocation-distances") if high < _SIGNED[1]]
        ),
        addresses=frozenset(era.words("relocation-addresses")),
    )


@dataclass(frozen=True, slots=True)
class Table:
    """A table of Elf64_Rela, little-endian, and the section it is for: its bytes (none in the file: b"") and size."""

    raw: bytes
    content: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Symbols:
    """A module's symbol table (Elf64_Sym, little-endian). `unmoved` are sections that the loader leaves in the file."""

    raw: bytes
    unmoved: frozenset[int]


_RELA_SIZE, _TYPE_AT = 24, 8  # Elf64_Rela, and the lowest byte of its type
_SIGNED = [-(1 << 31), (1 << 31) - 1]  # what holds the addresses of a kernel that lies high up
_FAR = 1 << 30  # bytes from which on an offset may lead out of what a type holds
_ABSOLUTE = 0xFFF1


def columns_of(raw: bytes) -> tuple[list[int], list[int]]:
    """Places and types of a table's entries."""
    whole = raw[: len(raw) - len(raw) % _RELA_SIZE]
    kinds = memoryview(whole).cast("I")[_TYPE_AT // 4 :: _RELA_SIZE // 4].tolist()
    return memoryview(whole).cast("Q")[0::3].tolist(), kinds


def suspicious(tables: Sequence[Table], types: Types, symbols: Symbols) -> bool:
    """Whether any table of a module needs a look at each entry; quick, so that a good module costs little.

    Works on whole columns of all tables together: the types as a byte string, the places as numbers that index the
    target with every byte made the OR of the following ones, so that one look tells whether all bytes of a target are
    zero, and an index that is out of range that it lies outside.
    """
    raws = [table.raw[: len(table.raw) - len(table.raw) % _RELA_SIZE] for table in tables]
    whole = b"".join(raws)
    kinds = _kinds(whole, types)
    if kinds is None or not _near(whole, symbols):
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


def _near(whole: bytes, symbols: Symbols) -> bool:
    """Whether all entries are for symbols that exist, in the module's or the kernel's memory, and not far from them."""
    used = set(memoryview(whole).cast("I")[_TYPE_AT // 4 + 1 :: _RELA_SIZE // 4].tolist())
    sections = memoryview(symbols.raw).cast("H")[3::12].tolist()
    if not used or max(used) >= len(sections):
        return not used
    values = memoryview(symbols.raw).cast("Q")[1::3].tolist()
    addends = memoryview(whole).cast("q")[2::3].tolist()
    owners = set(map(sections.__getitem__, used))
    return (
        0 not in used
        and _ABSOLUTE not in owners
        and symbols.unmoved.isdisjoint(owners)
        and max(map(values.__getitem__, used)) < _FAR
        and min(addends) > -_FAR
        and max(addends) < _FAR
    )


def _kinds(whole: bytes, types: Types) -> bytes | list[int] | None:
    """The type of each entry; None when one of them is not known."""
    low = whole[_TYPE_AT::_RELA_SIZE]
    above = whole[_TYPE_AT + 1 :: _RELA_SIZE] + whole[_TYPE_AT + 2 :: _RELA_SIZE] + whole[_TYPE_AT + 3 :: _RELA_SIZE]
    if above.count(0) == len(above):
        return None if low.translate(None, types.allowed) else low
    kinds = memoryview(whole).cast("I")[_TYPE_AT // 4 :: _RELA_SIZE // 4].tolist()
    return kinds if types.widths.keys() - types.narrow >= set(kinds) else None


def _refuses(table: Table, types: Types, places: list[int], kinds: bytes | list[int]) -> bool:
    """Whether an entry of one table writes outside its section, or over bytes that are not zero or another writes.

    IndexError when one lies outside.
    """
    widths = {types.widths[kind] for kind in set(kinds)}
    if types.zero_targets and _meet(places, list(map(types.widths.__getitem__, kinds))):
        return True
    checked = types.zero_targets and table.content.count(0) != len(table.content)
    if not checked or isinstance(kinds, list):
        return checked or max(places) + max(widths) > table.size
    for width in widths - {0}:
        chosen = places if len(widths) == 1 else compress(places, kinds.translate(types.masks[width]))
        if any(map(smear(table.content, width).__getitem__, chosen)):
            return True
    return False


def _meet(places: list[int], widths: list[int]) -> bool:
    """Whether two entries write the same bytes."""
    ends = list(map(add, places, widths))
    if all(map(le, ends, places[1:])):  # nearly always they are in order
        return False
    ordered = sorted(zip(places, ends, strict=True))
    return any(end > start for (_, end), (start, _) in pairwise(ordered))


def smear(content: bytes, width: int) -> bytes:
    """Each byte OR-ed with the `width` - 1 bytes after it, as far as there are so many."""
    number = int.from_bytes(content, "little")
    step = 1
    while step < width:
        number |= number >> (8 * step)
        step *= 2
    return number.to_bytes(len(content), "little")[: max(len(content) - width + 1, 0)]
