# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the values given to a module's parameters parse, by their types (kernel/params.c)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dlkm.verdict.candidate import Candidate
from dlkm.verdict.era import Era
from dlkm.verdict.param_table import parameters_of
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
_BOOLEANS = frozenset({"bool", "invbool", "bint"})
_NO_VALUE_NEEDED = frozenset({"bool", "bint"})  # KERNEL_PARAM_OPS_FL_NOARG
_LONGEST_TEXT = 1024  # param_set_charp
_ARRAY = "array of "
_NOT_THE_MODULES = frozenset({"async_probe", "dyndbg"})  # the loader's own
_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)\n?")
_ON_OR_OFF = re.compile(r"[oO][nNfF]")


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
class _Refusal:
    """Why a value is refused; `rule` and `limit` as above."""

    errno: str
    rule: str = "parameter-invalid"
    limit: int = 0


def judge(candidate: Candidate, words: Iterable[str], era: Era) -> Iterator[ParameterTrip]:
    """What the kernel objects to among the words given, which it gets in one line; all are tried."""
    line = " ".join(words)
    if not line:
        return
    known = parameters_of(candidate)
    letters = "".join(era.words("boolean-letters"))
    for given, value in words_in(line):
        parameter = known.get(_own(given))
        if parameter is None:
            if given not in _NOT_THE_MODULES:
                yield ParameterTrip(rule=UNKNOWN, errno=None, name=given, value=value or "", type="")
            continue
        kind = parameter.type
        if kind is None:
            yield ParameterTrip(rule="parameter-own", errno=None, name=given, value=value or "", type="")
            continue
        no = _refusal(kind, value, candidate.layout.bits, letters, parameter.limit)
        if no is not None:
            yield ParameterTrip(
                rule=no.rule, errno=no.errno, name=given, value=_shown(kind, value), type=kind, limit=no.limit
            )


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


def _refusal(kind: str, value: str | None, bits: int, letters: str, limit: int | None = None) -> _Refusal | None:
    """Why a value of a type is refused; None for one that is taken, or whose type is not known.

    `letters` are those that a boolean may begin with; `limit` is the most that an array or a string takes, None where
    nobody knows.
    """
    if value is None:
        return None if kind in _NO_VALUE_NEEDED else _Refusal(errno="EINVAL")
    if kind.startswith(_ARRAY):
        return _array(kind.removeprefix(_ARRAY), value.split(","), bits, letters, limit)
    size = len(value.encode("utf-8", "surrogateescape"))
    if kind == "charp":
        return _Refusal(errno="ENOSPC", rule="parameter-too-large") if size > _LONGEST_TEXT else None
    if kind == "string":
        fits = limit is None or size < limit
        return None if fits else _Refusal(errno="ENOSPC", rule="parameter-too-large/string", limit=(limit or 1) - 1)
    errno = _boolean(value, letters) if kind in _BOOLEANS else _number(kind, value, bits)
    return None if errno is None else _Refusal(errno=errno)


def _array(kind: str, parts: list[str], bits: int, letters: str, limit: int | None) -> _Refusal | None:
    """Element by element; one too many is refused when its turn comes (param_array)."""
    for number, part in enumerate(parts):
        if number == limit:
            return _Refusal(errno="EINVAL", rule="parameter-invalid/many", limit=number)
        found = _refusal(kind, part, bits, letters)
        if found is not None:
            return found
    return None


def _boolean(value: str, letters: str) -> str | None:
    return None if value[:1] in set(letters) or _ON_OR_OFF.match(value) else "EINVAL"


def _number(kind: str, value: str, bits: int) -> str | None:
    word = (1 << bits) - 1
    ranges = _RANGES | {"ulong": (0, word), "long": (-(word // 2) - 1, word // 2)}
    if kind not in ranges:
        return None
    lowest, highest = ranges[kind]
    match = _NUMBER.fullmatch(value)
    if match is None or (value.startswith("-") and lowest == 0):
        return "EINVAL"
    digits = match[1]
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX"
    if octal and not set(digits) <= set("01234567"):
        return "EINVAL"
    number = int(digits, 8 if octal else 0) * (-1 if value.startswith("-") else 1)
    return None if lowest <= number <= highest else "ERANGE"
