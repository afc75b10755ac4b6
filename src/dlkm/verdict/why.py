# SPDX-License-Identifier: GPL-2.0-or-later
"""What a cause is told with: data/why.toml, and lists of names. Knows no rule."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from dlkm.core.data import data_table
from dlkm.core.names import KernelVersion
from dlkm.kernel.distribution import distribution_of
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.case import Case, Trip
from dlkm.verdict.era import rules

_SHOWN = 8  # names told one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """The words of one finding."""

    message: str
    hint: str


Teller = Callable[[Case, Sequence[Trip]], Iterable[Telling]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Symbols that a part of the kernel gives, or the compiler calls for; `options` any of which turn it on."""

    names: tuple[str, ...]
    options: tuple[str, ...]
    why: str
    made_by_compiler: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """What a symbol is called since a kernel version."""

    since: KernelVersion
    now: str


def text(key: str, **values: object) -> str:
    """A text of the table, filled in."""
    template: str = _table()["texts"][key]
    return template.format_map(values)


def to_build_for(kernel: Kernel) -> str:
    """What `dlkm build -k` takes for it: a root filesystem has no headers, whoever made its kernel has."""
    if kernel.headers is not None or not kernel.is_copy:
        return kernel.id
    return f"debian:{kernel.release}" if distribution_of(kernel.release, "") == "debian" else kernel.release


def family_of(symbol: str) -> Family | None:
    """The family a symbol belongs to by its name."""
    return next((one for one in families() if any(fnmatchcase(symbol, name) for name in one.names)), None)


def renamed(symbol: str) -> Renamed | None:
    """What has become of a symbol that drivers know by an older name."""
    entry = _table()["renamed"].get(symbol)
    return None if entry is None else Renamed(since=KernelVersion.parse(entry["since"]), now=entry["now"])


@cache
def families() -> tuple[Family, ...]:
    """All families, in the order in which they count."""
    return tuple(
        Family(
            names=tuple(entry["names"]),
            options=tuple(entry["options"]),
            why=entry["why"],
            made_by_compiler=entry.get("made_by_compiler", False),
        )
        for entry in _table()["families"]
    )


def _table() -> dict[str, Any]:
    return data_table("why.toml")


def listed(names: Sequence[str], shown: int = _SHOWN) -> str:
    """The first few, and how many more."""
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def message_of(same: Sequence[Trip]) -> str:
    """The rules' text for one trip, or for several of one rule."""
    many = rules()[same[0].rule].many
    subjects = list(dict.fromkeys(trip.subject for trip in same))
    if len(subjects) == 1 or not many:
        return same[0].message
    return many.format_map({**same[0].values, "count": len(subjects), "subjects": listed(subjects)})
