# SPDX-License-Identifier: GPL-2.0-or-later
"""What earlier relocations wrote into a section, for a loader that wants zeroes there. Knows places, not values."""

from enum import Enum, auto
from itertools import compress

from dlkm.verdict.relocation_columns import Table, Types, columns_of

_LONGEST = 8  # bytes that one entry writes at most


class Meeting(Enum):
    """How a place stands to what was written before."""

    APART = auto()
    TOUCHES = auto()  # bytes of it were written, and these may be zero
    COVERS = auto()  # it takes in all that an entry wrote, or the upper bytes of an address: these are never zero


class Writes:
    """Places with the bytes written at each; falsy where there are none. `addresses` are types that write one whole."""

    def __init__(self, addresses: frozenset[int]) -> None:
        self._addresses = addresses
        self._widths: dict[int, int] = {}
        self._kinds: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._widths)

    def add(self, place: int, width: int, kind: int) -> None:
        """One entry's."""
        if width:
            self._widths[place] = max(width, self._widths.get(place, 0))
            self._kinds[place] = kind

    def add_all(self, table: Table, types: Types) -> None:
        """Those of a whole table, none of which meets another."""
        places, kinds = columns_of(table.raw)
        widths = [types.widths.get(kind, 0) for kind in kinds]
        self._widths.update(zip(compress(places, widths), filter(None, widths), strict=True))
        self._kinds.update(zip(compress(places, widths), compress(kinds, widths), strict=True))

    def meeting(self, place: int, width: int) -> Meeting:
        """How the bytes from a place on meet the earlier ones."""
        found = Meeting.APART
        for start in range(place - _LONGEST + 1, place + width):
            size = self._widths.get(start, 0)
            if not size or start + size <= place:
                continue
            whole = place <= start and start + size <= place + width
            upper = self._kinds[start] in self._addresses and start + size <= place + width
            if whole or upper:
                return Meeting.COVERS
            found = Meeting.TOUCHES
        return found
