# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the values given to a module's parameters parse, by the type that modinfo tells (kernel/params.c)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dlkm.verdict.candidate import Candidate

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
_BOOLEANS = frozenset({"bool", "invbool", "bint"})
_NO_VALUE_NEEDED = frozenset({"bool", "bint"})  # KERNEL_PARAM_OPS_FL_NOARG
_LONGEST_TEXT = 1024  # param_set_charp
_NOT_THE_MODULES = frozenset({"async_probe", "dyndbg"})  # the loader's own
_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)\n?")
_BOOLEAN = re.compile(r"[yYtT1nNfF0]|[oO][nNfF]|[eEdD]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterTrip:
    """What is wrong with one given value: the rule, and the errno where the value decides it."""

    rule: str
    errno: str | None
    name: str
    value: str
    type: str


def types_of(candidate: Candidate) -> dict[str, str]:
    """The module's parameters with their types, '-' in names as '_'."""
    pairs = (text.partition(":") for text in candidate.all("parmtype"))
    return {name.replace("-", "_"): kind for name, _, kind in pairs}


def judge(candidate: Candidate, words: Iterable[str]) -> Iterator[ParameterTrip]:
    """What the kernel objects to among "NAME=VALUE" words, up to a "--"."""
    types = types_of(candidate)
    for word in words:
        if word == "--":
            return
        name, equals, value = word.partition("=")
        kind = types.get(name.replace("-", "_"))
        if kind is None:
            if name not in _NOT_THE_MODULES:
                yield ParameterTrip(rule="parameter-unknown", errno=None, name=name, value=value, type="")
            continue
        errno = refusal(kind, value if equals else None, candidate.layout.bits)
        if errno is not None:
            rule = "parameter-too-large" if errno == "ENOSPC" else "parameter-invalid"
            yield ParameterTrip(rule=rule, errno=errno, name=name, value=value, type=kind)


def refusal(kind: str, value: str | None, bits: int) -> str | None:
    """The errno with which a value of a type is refused; None for one that is taken, or whose type is not known."""
    if value is None:
        return None if kind in _NO_VALUE_NEEDED else "EINVAL"
    if kind.startswith("array of "):
        parts = (refusal(kind.removeprefix("array of "), part, bits) for part in value.split(","))
        return next((part for part in parts if part is not None), None)
    if kind == "charp":
        return "ENOSPC" if len(value.encode("utf-8", "surrogateescape")) > _LONGEST_TEXT else None
    if kind in _BOOLEANS:
        return _boolean(kind, value)
    return _number(kind, value, bits)


def _boolean(kind: str, value: str) -> str | None:
    if kind == "bint" or _BOOLEAN.match(value):
        return None if _BOOLEAN.match(value) else "EINVAL"
    return "EINVAL"


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
