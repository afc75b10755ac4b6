# SPDX-License-Identifier: GPL-2.0-or-later
"""The `.modinfo` section as keys and values. Only takes it apart."""

from collections.abc import Iterable
from dataclasses import dataclass

from dlkm.ko.elf import text


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A module parameter; `type` as the kernel words it ("int", "array of charp"), None where that part is missing."""

    name: str
    description: str | None
    type: str | None


def parse_modinfo(raw: bytes) -> tuple[tuple[str, str], ...]:
    """`key=value` strings in file order; one without '=' has an empty value, empty ones (padding) are left out.

    Any bytes parse; what is not UTF-8 is kept as surrogates.
    """
    pairs = (item.partition(b"=") for item in raw.split(b"\0") if item)
    return tuple((text(key), text(value)) for key, _, value in pairs)


def parameters_of(modinfo: Iterable[tuple[str, str]]) -> tuple[Parameter, ...]:
    """The `parm` and `parmtype` entries joined by name, in the order in which a name first occurs.

    Of two descriptions the last counts, as for modinfo; entries without ':' name no parameter and are left out.
    """
    found: dict[str, dict[str, str]] = {}
    for key, value in modinfo:
        name, colon, rest = value.partition(":")
        if key in {"parm", "parmtype"} and colon:
            found.setdefault(name, {})[key] = rest
    return tuple(
        Parameter(name=name, description=parts.get("parm"), type=parts.get("parmtype")) for name, parts in found.items()
    )


def softdeps_before(value: str) -> tuple[str, ...]:
    """The modules that a `softdep` entry ("pre: a b post: c") wants loaded before (man modprobe.d)."""
    before, found = False, []
    for word in value.split():
        if word.endswith(":"):
            before = word == "pre:"
        elif before:
            found.append(word)
    return tuple(found)
