# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a relocation's value fits, by where the kernel keeps modules, itself, and files that it reads."""

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from functools import cached_property
from typing import Any

from dlkm.ko.elf import SHF_EXECINSTR, SHN_ABS, SHN_LIVEPATCH, SHN_UNDEF, text
from dlkm.verdict.case import Case

_WRAP = 1 << 64
_FAR, _OUT_OF_REACH = 1 << 30, 1 << 34  # bytes
_SPREAD = (1 << 31) - 1  # bytes that kernel and modules are apart at most, so that PREL32 reaches from each to each


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

    def reach(self, kind: int, symbol: int, addend: int, *, section: int, place: int) -> Reach:
        """By data/eras.toml: what a type holds, or that it holds distances; for a place in a section."""
        era, area = self._case.era, self._area(symbol)
        if area is None:
            return Reach.ALWAYS
        value = 0 if area == "kernel" else self._fields(symbol)[4]  # what somebody gives stands in its place
        offset = (value + addend + _WRAP // 2) % _WRAP - _WRAP // 2
        limits = _limits(era.words("relocation-ranges"), kind)
        if limits is not None:
            return self._holds(limits, area, offset)
        if kind in era.words("relocation-branches"):  # to far away by way of a table that only code has
            executable = self._case.candidate.sections[section].flags & SHF_EXECINSTR
            return Reach.PERHAPS if area == "kernel" and not executable else Reach.ALWAYS
        limits = _limits(era.words("relocation-distances"), kind)
        return Reach.ALWAYS if limits is None else self._reaches(limits, area, symbol, offset, (section, place))

    def _reaches(self, limits: tuple[int, int], area: str, symbol: int, offset: int, at: tuple[int, int]) -> Reach:
        """Whether the way from a place in a section to what lies so far from a symbol is within limits."""
        section, place = at
        if section == self._percpu:  # that is its copy in the file, which lies anywhere
            return Reach.PERHAPS
        if area == "module" and self._fields(symbol)[3] == section:
            return Reach.ALWAYS if limits[0] <= offset - place <= limits[1] else Reach.NEVER
        return self._from_module(limits, offset) if area == "" else _distance(limits, area, offset)

    def _holds(self, limits: tuple[int, int], area: str, offset: int) -> Reach:
        low, high = self._addresses(area)
        return _within(limits, low + offset, high + offset)

    def _from_module(self, limits: tuple[int, int], number: int) -> Reach:
        """The distance from somewhere in a module's memory to a number."""
        low, high = self._addresses("module")
        return _within(limits, number - high, number - low)

    def _addresses(self, area: str) -> tuple[int, int]:
        return _limits((*self._case.era.words("areas"), ("", 0, 0)), area) or (0, 0)

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


def _limits(entries: Iterable[Sequence[Any]], key: object) -> tuple[int, int] | None:
    """The numbers that stand with a key in a list of data/eras.toml."""
    return next(((low, high) for one, low, high in entries if one == key), None)


def _within(limits: tuple[int, int], low: int, high: int) -> Reach:
    """Whether whatever is from `low` to `high` is within limits."""
    if limits[0] <= low and high <= limits[1]:
        return Reach.ALWAYS
    return Reach.NEVER if high < limits[0] or limits[1] < low else Reach.PERHAPS


def _distance(limits: tuple[int, int], area: str, offset: int) -> Reach:
    """Whether the way to another section, or out of the module, is within limits."""
    if abs(offset) >= limits[1] + _OUT_OF_REACH:
        return Reach.NEVER
    near = abs(offset) < _FAR and limits[1] >= _SPREAD
    return Reach.ALWAYS if near and area != "file" else Reach.PERHAPS
