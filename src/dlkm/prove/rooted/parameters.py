# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameters as modprobe.d writes them and as /sys/module/NAME/parameters shows them. Source: kernel/params.c."""

from collections.abc import Sequence
from contextlib import suppress

from dlkm.core.names import normalise_module_name
from dlkm.ko.module import Module
from dlkm.verdict.words import words_in

_TRUE, _FALSE = ("y", "t", "1", "on"), ("n", "f", "0", "of")
_INTEGERS = frozenset({"byte", "short", "ushort", "int", "uint", "long", "ulong", "ullong", "hexint"})
_BOOLS = frozenset({"bool", "invbool", "bint", "bool_enable_only"})


def shown(module: Module, words: Sequence[str]) -> dict[str, str]:
    """What /sys will show of the parameters that these words (lines of NAME=VALUE) set; the last one on each counts.

    Words that the module knows no parameter for are left out.
    """
    types = {one.name: one.type or "" for one in module.parameters}
    found: dict[str, str] = {}
    for name, value in words_in(" ".join(words)):
        plain = normalise_module_name(name)
        if plain in types:
            found[plain] = normalised("1" if value is None else value, types[plain])
    return found


def normalised(value: str, kind: str) -> str:
    """One spelling of a value, however it is written; that of /sys where the type is known."""
    if kind.startswith("array of "):
        return ",".join(normalised(part, kind.removeprefix("array of ")) for part in value.split(","))
    if kind in _BOOLS:
        return _bool(value)
    if kind in _INTEGERS:
        with suppress(ValueError):
            return str(int(value, 8 if value[:1] == "0" and value[1:].isdecimal() else 0))  # kstrtoint
    return value


def _bool(value: str) -> str:
    low = value.lower()
    if low.startswith(_TRUE):
        return "Y"
    return "N" if low.startswith(_FALSE) else value
