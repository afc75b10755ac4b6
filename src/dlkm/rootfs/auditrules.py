# SPDX-License-Identifier: GPL-2.0-or-later
"""What an audit finds, as values, and the table that gives each finding its weight and its words (data/audit.toml)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dlkm.core.data import data_table
from dlkm.verdict.verdict import Severity

if TYPE_CHECKING:
    from dlkm.rootfs.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a check saw. `rule` may name a case ("shadowed/same"); `words` fill its message and hint.

    `kernel` is the release it is about, None for all of the root; `path` and `line` say where, relative to the root.
    """

    rule: str
    words: Mapping[str, object] = field(default_factory=dict)
    kernel: str | None = None
    path: str | None = None
    line: int | None = None
    module: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know of a root filesystem; the fields are those of `dlkm audit --json` (dlkm.audit/1)."""

    rule: str
    severity: Severity
    message: str
    hint: str
    kernel: str | None = None
    path: str | None = None
    line: int | None = None
    module: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """A program that loads what modules-load.d names; `directories` are those that it reads, empty for all.

    `obeys`: a blacklist keeps out what is named there; others hand names to modprobe, which obeys for aliases alone.
    """

    name: str
    files: tuple[str, ...]
    directories: tuple[str, ...] = ()
    obeys: bool = False


def finding(found: Found) -> Finding:
    """With the table's words."""
    rule = table()["rules"][found.rule]
    return Finding(
        rule=found.rule.partition("/")[0],
        severity=Severity(rule["severity"]),
        message=rule["message"].format_map(found.words),
        hint=rule["hint"].format_map(found.words),
        kernel=found.kernel,
        path=found.path,
        line=found.line,
        module=found.module,
    )


def places(key: str) -> tuple[str, ...]:
    """A list of places of the table."""
    return tuple(table()["places"][key])


def loaders() -> tuple[Loader, ...]:
    """Who reads modules-load.d, in the order in which they are looked for."""
    return tuple(
        Loader(
            name=one["name"],
            files=tuple(one["files"]),
            directories=tuple(one.get("directories", ())),
            obeys=one.get("obeys", False),
        )
        for one in table()["loaders"]
    )


def table() -> dict[str, Any]:
    """The whole table."""
    return data_table("audit.toml")


def about(rule: str, release: "Release", **words: object) -> Found:
    """What is found of a kernel as a whole."""
    told = {"release": release.release, **words}
    return Found(rule=rule, kernel=release.release, path=release.folder, words=told)


def counted(number: int, what: str) -> str:
    """A number of things: "1 module", "2 modules"."""
    return f"{number} {what}{'s' * (number != 1)}"


def listed(names: Any, shown: int = 5) -> str:
    """The first few names, and how many more."""
    all_names = list(names)
    rest = len(all_names) - shown
    return ", ".join(all_names[:shown]) + (f" and {rest} more" if rest > 0 else "")
