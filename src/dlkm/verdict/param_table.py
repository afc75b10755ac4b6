# SPDX-License-Identifier: GPL-2.0-or-later
"""A module's parameters as the kernel sees them: the table `__param`, read through its relocations.

Source: include/linux/moduleparam.h: struct kernel_param, kparam_array, kparam_string; modinfo only tells people.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from struct import Struct, unpack_from

from dlkm.core.errors import MalformedError
from dlkm.ko.elf import SHN_UNDEF, SHT_RELA, text
from dlkm.verdict.candidate import Candidate

_ENTRY, _NAME_AT, _SETTER_AT, _ARG_AT = 40, 0, 16, 32  # bytes of struct kernel_param on 64 bits, and places in it
_FLAGS_AT, _UNSAFE, _HARDWARE = 27, 1, 2  # KERNEL_PARAM_FL_UNSAFE, KERNEL_PARAM_FL_HWPARAM
_ELEMENT_SETTER_AT = 16  # of struct kparam_array; it and kparam_string begin with how much they take
_MOST = 4096  # parameters of one module
_STANDARD, _ARRAY = "param_ops_", "param_array_ops"
_OWN_MIND = frozenset({"bool_enable_only"})  # what it answers hangs on what it was before


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. `type` is as modinfo words it, None for one whose value the module's own code takes.

    `limit`: how many elements an array takes, how many bytes a string, its end included; None where nobody knows.
    `dangerous` and `of_hardware` are what module_param_unsafe and module_param_hw say.
    """

    type: str | None
    limit: int | None = None
    dangerous: bool = False
    of_hardware: bool = False


def parameters_of(candidate: Candidate) -> dict[str, Parameter]:
    """By name, "-" as "_". Of 32-bit modules what modinfo says: their tables look otherwise."""
    if candidate.layout.bits != 64:
        return {name: Parameter(type=kind) for name, kind in _told(candidate).items()}
    try:
        return dict(_Table(candidate).parameters())
    except MalformedError:
        return {}


def _told(candidate: Candidate) -> dict[str, str]:
    pairs = (told.partition(":") for told in candidate.all("parmtype"))
    return {name.replace("-", "_"): kind for name, _, kind in pairs}


@dataclass(frozen=True)
class _Pointer:
    """What a place of the file will point to: a symbol that somebody else gives, or bytes of a section."""

    symbol: str
    section: int
    offset: int


class _Table:
    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._order = ">" if candidate.layout.big_endian else "<"

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        table = self._candidate.find("__param")
        size = min(self._candidate.sections[table].size, _MOST * _ENTRY) if table else 0
        pointers = self._pointers(table) if table else {}
        raw = self._candidate.contents(table) if table else b""
        for start in range(0, size - size % _ENTRY, _ENTRY):
            name = pointers.get(start + _NAME_AT)
            if name is not None and not name.symbol:
                told = self._at(name).partition(b"\0")[0]
                parameter = self._parameter(pointers.get(start + _SETTER_AT), pointers.get(start + _ARG_AT))
                flags = raw[start + _FLAGS_AT] if len(raw) >= start + _ENTRY else 0
                yield (
                    text(told).replace("-", "_"),
                    replace(parameter, dangerous=bool(flags & _UNSAFE), of_hardware=bool(flags & _HARDWARE)),
                )

    def _parameter(self, setter: _Pointer | None, argument: _Pointer | None) -> Parameter:
        kind = setter.symbol if setter is not None else ""
        data = self._at(argument) if argument is not None else b""
        limit = int(unpack_from(f"{self._order}I", data)[0]) if len(data) >= 4 else None
        if kind != _ARRAY:
            return Parameter(type=_kind(kind), limit=limit)
        element = self._element(argument) if argument is not None else None
        return Parameter(type=None if element is None else f"array of {element}", limit=limit)

    def _element(self, array: _Pointer) -> str | None:
        found = self._pointers(array.section).get(array.offset + _ELEMENT_SETTER_AT)
        return None if found is None else _kind(found.symbol)

    def _at(self, pointer: _Pointer) -> bytes:
        """Some bytes from there on; empty for a place that is in no section."""
        if not 0 < pointer.section < len(self._candidate.sections) or pointer.offset < 0:
            return b""
        return self._candidate.contents(pointer.section)[pointer.offset : pointer.offset + 128]

    def _pointers(self, section: int) -> dict[int, _Pointer]:
        """What the relocations for a section put at each place."""
        if section not in self._read:
            self._read[section] = dict(self._pointed(section))
        return self._read[section]

    @cached_property
    def _read(self) -> dict[int, dict[int, _Pointer]]:
        return {}

    def _pointed(self, target: int) -> Iterator[tuple[int, _Pointer]]:
        candidate = self._candidate
        entry, symbol = Struct(f"{self._order}QQq"), Struct(f"{self._order}IBBHQQ")
        for section in candidate.sections:
            if section.type != SHT_RELA or section.info != target:
                continue
            raw = candidate.bytes_at(section.offset, section.size)
            for place, info, addend in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
                at = (info >> 32) * symbol.size
                if at + symbol.size <= len(candidate.symbol_bytes):
                    name, _, _, index, value, _ = symbol.unpack_from(candidate.symbol_bytes, at)
                    yield place, _Pointer(self._name(name) if index == SHN_UNDEF else "", index, value + addend)

    def _name(self, start: int) -> str:
        names = self._candidate.symbol_names
        return text(names[start : names.find(b"\0", start)])


def _kind(setter: str) -> str | None:
    """The type that one of the kernel's own setters is for."""
    kind = setter.removeprefix(_STANDARD)
    return None if kind in {setter, *_OWN_MIND} else kind
