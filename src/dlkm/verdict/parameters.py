# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the values given to a module's parameters parse, by their types (kernel/params.c)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dlkm.verdict.candidate import Candidate
from dlkm.verdict.era import Era
from dlkm.verdict.param_table import Parameter, parameters_of
from dlkm.verdict.words import words_in

# Type to (lowest, highest); kernel/params.c: STANDARD_PARAM_DEF. `long` as on 64 bits; narrower below.
_RANGES = {
    "byte": (0, (1 << 8) - 1),
    "short": (-(1 << 15), (1 << 15) - 1),
    "ushort": (0, (1 << 16) - 1),
    "int": (-(1 << 31), (1 << 31) - 1),
    "uint": (0, (1 << 32) - 1),
    "hexint": (0, (1 << 32) - 1),
    "ullong": (0, (1 << 64) - 1),
}
UNKNOWN = "parameter-unknown"  # the rule for a name that the module has not
DANGEROUS = "parameter-dangerous"  # the rule for one that the kernel calls so
_BOOLEANS = frozenset({"bool", "invbool", "bint"})
_NO_VALUE_NEEDED = frozenset({"bool", "bint"})  # KERNEL_PARAM_OPS_FL_NOARG
_LONGEST_TEXT = 1024  # param_set_charp
_ARRAY = "array of "
_NOT_THE_MODULES = frozenset({"async_probe", "dyndbg"})  # the loader's own
_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_MOST = (1 << 64) - 1  # of any number; what more digits say is out of range, whatever follows them
_DIGITS = 21  # of a decimal number, which is out of range then


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterTrip:
    """What is wrong with one given value: the rule, and the errno where the value decides it.

    `value` is as the kernel prints it. `limit` is how many elements or letters the parameter takes.
    """

    rule: str
    errno: str | None
    name: str
    value: str
    type: str
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remark:
    """What is said of a value, mostly why it is refused; `errno`, `rule` and `limit` as above.

    `seen`: somebody looked at the value, which is cut then where it is an array's.
    """

    errno: str | None
    seen: bool = True
    rule: str = "parameter-invalid"
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What decides beside type and value: bits of a `long`, what the kernel takes for a boolean, lockdown."""

    bits: int
    era: Era
    locked: bool


def judge(candidate: Candidate, words: Iterable[str], era: Era, *, locked: bool) -> Iterator[ParameterTrip]:
    """What the kernel objects to among the words given, which it gets in one line; all are tried.

    `locked`: the kernel is locked down.
    """
    line = " ".join(words)
    if not line:
        return
    known = parameters_of(candidate)
    taken = _Taken(bits=candidate.layout.bits, era=era, locked=locked)
    for given, value in words_in(line):
        parameter = known.get(_own(given))
        if parameter is None:
            if given not in _NOT_THE_MODULES:
                yield ParameterTrip(rule=UNKNOWN, errno=None, name=given, value=value or "", type="")
            continue
        kind = parameter.type or ""
        for said in _said(parameter, value, taken):
            shown = _shown(kind, value) if said.seen else value or ""
            yield ParameterTrip(rule=said.rule, errno=said.errno, name=given, value=shown, type=kind, limit=said.limit)


def _said(parameter: Parameter, value: str | None, taken: _Taken) -> Iterator[_Remark]:
    """What the kernel says of one value, in its order (kernel/params.c: parse_one)."""
    kind = parameter.type
    if value is None and kind is not None and kind not in _NO_VALUE_NEEDED:
        yield _Remark(errno="EINVAL")
        return
    if parameter.of_hardware and taken.locked:
        yield _Remark(errno="EPERM", rule="parameter-invalid/locked", seen=False)
        return
    if parameter.dangerous:
        yield _Remark(errno=None, rule=DANGEROUS)
    if kind is None:
        yield _Remark(errno=None, rule="parameter-own")
    elif value is not None:
        no = _refusal(kind, value, taken, parameter.limit)
        if no is not None:
            yield no


def unknown(candidate: Candidate, line: str) -> list[str]:
    """The names among the words of a line that the module has no parameters for."""
    known = parameters_of(candidate).keys() | _NOT_THE_MODULES
    return [given for given, _ in words_in(line) if not {given, _own(given)} & known]


def _own(given: str) -> str:
    """The name as the module has it: to the kernel both strokes are one."""
    return given.replace("-", "_")


def _shown(kind: str, value: str | None) -> str:
    """The value as the kernel prints it: param_array puts a NUL in place of the first comma."""
    return (value or "").partition(",")[0] if kind.startswith(_ARRAY) else value or ""


def _refusal(kind: str, value: str, taken: _Taken, limit: int | None = None) -> _Remark | None:
    """Why a value of a type is refused; None for one that is taken, or whose type is not known.

    `limit` is the most that an array or a string takes, None where nobody knows.
    """
    if kind.startswith(_ARRAY):
        return _array(kind.removeprefix(_ARRAY), value.split(","), taken, limit)
    size = len(value.encode("utf-8", "surrogateescape"))
    if kind == "charp":
        return _Remark(errno="ENOSPC", rule="parameter-too-large") if size > _LONGEST_TEXT else None
    if kind == "string":
        fits = limit is None or size < limit
        return None if fits else _Remark(errno="ENOSPC", rule="parameter-too-large/string", limit=(limit or 1) - 1)
    errno = _boolean(value, taken.era) if kind in _BOOLEANS else _number(kind, value, taken.bits)
    return None if errno is None else _Remark(errno=errno)


def _array(kind: str, parts: list[str], taken: _Taken, limit: int | None) -> _Remark | None:
    """Element by element; one too many is refused when its turn comes (param_array)."""
    for number, part in enumerate(parts):
        if number == limit:
            return _Remark(errno="EINVAL", rule="parameter-invalid/many", limit=number)
        found = _refusal(kind, part, taken)
        if found is not None:
            return found
    return None


def _boolean(value: str, era: Era) -> str | None:
    return "EINVAL" if era.truth(value) is None else None


def _number(kind: str, value: str, bits: int) -> str | None:
    word = (1 << bits) - 1
    ranges = _RANGES | {"ulong": (0, word), "long": (-(word // 2) - 1, word // 2)}
    if kind not in ranges:
        return None
    lowest, highest = ranges[kind]
    match = _NUMBER.match(value)
    if match is None or (value.startswith("-") and lowest == 0):
        return "EINVAL"
    digits = match[1]
    number = int(digits, 8 if digits.isdecimal() else 16) if digits[0] == "0" else int(digits[:_DIGITS])
    if number <= _MOST and value[match.end() :] not in {"", "\n"}:
        return "EINVAL"
    return None if lowest <= (-number if value.startswith("-") else number) <= highest else "ERANGE"
