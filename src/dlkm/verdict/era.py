# SPDX-License-Identifier: GPL-2.0-or-later
"""Which checks, texts and habits a kernel has, by its version and distribution: data/eras.toml and messages.toml."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from dlkm.core.data import data_table
from dlkm.kernel.distribution import distribution_of
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.sublevel import full_version

_Table = dict[str, Any]
_MAINLINE = 2  # numbers that name a mainline release; stable ones have three


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """A kernel's place in time and among the distributions.

    `checks` are the loader's steps in their order. `features` are the words of eras.toml that hold for it.
    """

    version: tuple[int, ...]
    arch: str
    distro: str
    checks: tuple[str, ...]
    features: frozenset[str]

    def message(self, key: str) -> tuple[str, ...]:
        """The templates of the lines that the loader logs; empty where it is silent."""
        return next((tuple(one["lines"]) for one in _variants("messages.toml", key) if self._holds(one)), ())

    def entry(self, key: str) -> Mapping[str, Any]:
        """The first entry under `key` of eras.toml that holds for it; empty where none does."""
        return next(self.entries(key), {})

    def entries(self, key: str) -> Iterator[Mapping[str, Any]]:
        """All entries under `key` that hold for it, those of options that a kernel may lack among them."""
        return (one for one in _variants("eras.toml", key) if self._holds(one))

    def words(self, key: str) -> tuple[Any, ...]:
        """That entry's list."""
        return _words(self.version, self.arch, self.distro, key)

    def truth(self, value: str | None) -> bool | None:
        """What the text of a switch says, alone or with a value; None for none (lib/kstrtox.c: kstrtobool)."""
        if value is None or value[:2].lower() == "on":
            return True
        yes, no = self.words("boolean-letters")
        if value[:1] in {*yes}:
            return True
        return False if value[:1] in {*no} or value[:2].lower() == "of" else None

    def _holds(self, entry: _Table) -> bool:
        return _holds(entry, self.version, self.arch, self.distro)


def era_of(kernel: Kernel) -> Era:
    """The era of a kernel."""
    return _era(full_version(kernel), distribution_of(kernel.release, kernel.origin), kernel.arch.name)


@cache
def _era(version: tuple[int, ...], distro: str, arch: str) -> Era:
    features, phases = data_table("eras.toml")["feature"], data_table("eras.toml")["phases"]
    checks = [
        next((one["list"] for one in phases[phase] if _holds(one, version, arch, distro)), ())
        for phase in phases["order"]
    ]
    return Era(
        version=version,
        arch=arch,
        distro=distro,
        checks=tuple(check for phase in checks for check in phase),
        features=frozenset(name for name, entry in features.items() if _holds(entry, version, arch, distro)),
    )


@cache  # asked for each section of each module
def _words(version: tuple[int, ...], arch: str, distro: str, key: str) -> tuple[Any, ...]:
    entry = next((one for one in _variants("eras.toml", key) if _holds(one, version, arch, distro)), {})
    return tuple(entry.get("list", ()))


def _holds(entry: _Table, version: tuple[int, ...], arch: str, distro: str) -> bool:
    """Whether an entry's `since` (inclusive), `until` (exclusive), `arch` and `distro` fit; what it lacks fits all."""
    return (
        reached(version, entry.get("since", "0"))
        and not reached(version, entry.get("until", "9999"))
        and arch in entry.get("arch", [arch])
        and distro in entry.get("distro", [distro])
    )


def reached(version: tuple[int, ...], since: str | Sequence[str]) -> bool:
    """Whether a change that came with `since` is in a kernel.

    A list names the releases of stable branches that took it ("6.12.46") and the mainline release that had it first
    ("6.17"), from which on all kernels have it; without the latter only those branches do.
    """
    if isinstance(since, str):
        return version >= _version(since)
    points = [_version(text) for text in since]
    branch = [point for point in points if len(point) > _MAINLINE and point[:_MAINLINE] == version[:_MAINLINE]]
    if branch:
        return version >= branch[0]
    return any(version >= point for point in points if len(point) <= _MAINLINE)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))


def _variants(file: str, key: str) -> list[_Table]:
    entry = data_table(file).get(key, [])
    return [entry] if isinstance(entry, dict) else entry


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """What rules.toml says of a rule: its errno, what a finding says and what to do. `severity` "unsure" is for what
    cannot be told.
    """

    name: str
    severity: str
    errno: str | None
    message: str
    many: str
    hint: str
    source: str


@cache
def rules() -> dict[str, RuleText]:
    """Every rule by name, in the loader's order."""
    return {
        name: RuleText(
            name=name,
            severity=entry.get("severity", "error"),
            errno=entry.get("errno"),
            message=entry["message"],
            many=entry.get("many", ""),
            hint=entry.get("hint", ""),
            source=entry.get("source", ""),
        )
        for name, entry in data_table("rules.toml").items()
    }
