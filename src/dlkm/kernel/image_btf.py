# SPDX-License-Identifier: GPL-2.0-or-later
"""The type information (BTF) of a kernel image: where it lies, how many types it has, how large a struct is.

Source: Documentation/bpf/btf.rst. Modules' own type information is judged in verdict/btf.py.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from struct import Struct, error, unpack_from

# Each named type ("struct page") with its size and members, lines joined: as a hundred thousand strings they would
# take a second to load.
Types = Mapping[str, str]

# Magic, version 1, no flags, a header of 24 or (Linux 7.1) 32 bytes, types from 0 on: so it stands in a raw image, in
# either byte order.
_START = {
    "<": re.compile(rb"\x9f\xeb\x01\x00[\x18\x20]\x00\x00\x00\x00\x00\x00\x00"),
    ">": re.compile(rb"\xeb\x9f\x01\x00\x00\x00\x00[\x18\x20]\x00\x00\x00\x00"),
}
_LEAST = 4096  # bytes of types: a kernel has millions, and other programs' (tests, lskel) some hundreds
_PLACES = 64
_STRUCT = 4
# Bytes behind a type's twelve: fixed, and for each of its members, by kind.
_FIXED = {1: 4, 3: 12, 14: 4, 17: 4}  # INT, ARRAY, VAR, DECL_TAG
_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}  # STRUCT, UNION, ENUM, FUNC_PROTO, DATASEC, ENUM64
_KINDS = 20


@dataclass(frozen=True)
class KernelBtf:
    """Type information. `raw` are the types one behind the other, `names` their names; `order` is "<" or ">"."""

    raw: bytes
    names: bytes
    order: str

    @cached_property
    def types(self) -> int:
        """How many there are, `void` (number 0) not counted."""
        return sum(1 for _ in self.walk())

    def struct_size(self, name: bytes) -> int | None:
        """Bytes of a struct; None where it is not there."""
        for kind, place in self.walk():
            if kind == _STRUCT:
                start, _, size = unpack_from(f"{self.order}III", self.raw, place)
                if self.names.startswith(name + b"\0", start):
                    return int(size)
        return None

    def walk(self) -> Iterator[tuple[int, int]]:
        """Kind and place of each type, in order of their numbers; ends where one is not whole or not known."""
        entry, place, end = Struct(f"{self.order}II").unpack_from, 0, len(self.raw)
        while place + 12 <= end:
            info = entry(self.raw, place)[1]
            kind, members = info >> 24 & 0x7F, info & 0xFFFFFF  # before Linux 7.2 fewer bits, and zeroes in the others
            if not 0 < kind < _KINDS:
                return
            yield kind, place
            place += 12 + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * members


def find_btf(data: bytes, section: bytes | None) -> KernelBtf | None:
    """From its section, or found by its beginning in an image without sections; None where there is none."""
    if section is not None:
        return next((one for order in _START if (one := _at(section, 0, order)) is not None), None)
    places = ((match.start(), order) for order, start in _START.items() for match in start.finditer(data))
    tried = (_at(data, place, order) for place, order in islice(places, _PLACES))
    whole = [one for one in tried if one is not None and len(one.raw) >= _LEAST]
    return max(whole, key=lambda one: len(one.raw), default=None)


def _at(data: bytes, start: int, order: str) -> KernelBtf | None:
    try:
        header, types, types_size, names, names_size = unpack_from(f"{order}5I", data, start + 4)
    except error:
        return None
    if not _START[order].match(data, start):
        return None
    first, second = start + header + types, start + header + names
    if names != types + types_size or second + names_size > len(data) or data[second : second + 1] != b"\0":
        return None
    return KernelBtf(data[first : first + types_size], data[second : second + names_size], order)
