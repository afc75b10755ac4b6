# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a relocation's value fits, by where the kernel keeps modules, itself, and files that it reads."""

from enum import Enum, auto
from functools import cached_property

from dlkm.ko.elf import SHN_ABS, SHN_LIVEPATCH, SHN_UNDEF, text
from dlkm.verdict.case import Case

_WRAP = 1 << 64
_FAR, _OUT_OF_REACH = 1 << 30, 1 << 34  # bytes


class Reach(Enum):
    """Whether a value fits, wherever the addresses come to lie."""

    ALWAYS = auto()
    NEVER = auto()
    PERHAPS = auto()


class Values:
    """The values of one module's relocations. `moved` are the sections that get memory of their own."""

    def __init__(self, case: Case, moved: frozenset[int]) -> None:
        self._case = case
        self._moved = moved

    def reach(self, kind: int, symbol: int, addend: int, *, executable: bool) -> Reach:
        """By data/eras.toml: what a type holds, or that it holds distances; `executable`: it is in code."""
        era, area = self._case.era, self._area(symbol)
        if area is None:
            return Reach.ALWAYS
        offset = (self._fields(symbol)[4] + addend + _WRAP // 2) % _WRAP - _WRAP // 2
        limits = next(((low, high) for one, low, high in era.words("relocation-ranges") if one == kind), None)
        if limits is not None:
            return self._holds(limits, area, offset)
        if kind in era.words("relocation-branches"):  # to far away by way of a table that only code has
            return Reach.PERHAPS if area == "kernel" and not executable else Reach.ALWAYS
        return _distance(area, offset) if kind in era.words("relocation-distances") else Reach.ALWAYS

    def _holds(self, limits: tuple[int, int], area: str, offset: int) -> Reach:
        low, high = next((low, high) for one, low, high in (*self._case.era.words("areas"), ("", 0, 0)) if one == area)
        if limits[0] <= low + offset and high + offset <= limits[1]:
            return Reach.ALWAYS
        return Reach.NEVER if high + offset < limits[0] or limits[1] < low + offset else Reach.PERHAPS

    def _area(self, symbol: int) -> str | None:
        """Where a symbol lies: "module", "kernel", "file"; "" for a number; None for a place that is not known."""
        _, info, _, section, _, _ = self._fields(symbol)
        if section == SHN_UNDEF:
            return "kernel" if symbol and self._is_given(symbol, weak=info >> 4 == 2) else ""
        if section in {SHN_ABS, SHN_LIVEPATCH}:
            return ""
        if section >= len(self._case.candidate.sections) or section == self._percpu:
            return None
        return "module" if section in self._moved else "file"

    def _is_given(self, symbol: int, *, weak: bool) -> bool:
        """A weak symbol that nobody gives is the number that the file has."""
        candidate = self._case.candidate
        start = self._fields(symbol)[0]
        name = text(candidate.symbol_names[start:].partition(b"\0")[0])
        return not weak or self._case.supply.find(name) is not None

    @cached_property
    def _percpu(self) -> int:
        return self._case.candidate.find(".data..percpu")

    def _fields(self, symbol: int) -> tuple[int, ...]:
        raw, symbols = self._case.candidate.symbol_bytes, self._case.candidate.layout.symbol
        fields: tuple[int, ...] = symbols.unpack_from(raw, symbol * symbols.size)
        return fields


def _distance(area: str, offset: int) -> Reach:
    """Whether a distance within some gigabytes is."""
    if area == "":
        return Reach.NEVER
    if abs(offset) >= _OUT_OF_REACH:
        return Reach.NEVER
    return Reach.PERHAPS if area == "file" or abs(offset) >= _FAR else Reach.ALWAYS
