# SPDX-License-Identifier: GPL-2.0-or-later
"""Which checks, texts and habits a kernel has, by its version and distribution: data/eras.toml and messages.toml."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from dlkm.kernel.kernel import Kernel

_Table = dict[str, Any]


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

    def words(self, key: str) -> tuple[Any, ...]:
        """The first list under `key` of eras.toml that holds for it."""
        return next((tuple(one["list"]) for one in _variants("eras.toml", key) if self._holds(one)), ())

    def _holds(self, entry: _Table) -> bool:
        return _holds(entry, self.version, self.arch, self.distro)


def era_of(kernel: Kernel) -> Era:
    """The era of a kernel."""
    return _era(kernel.release, kernel.origin, kernel.arch.name)


@cache
def _era(release: str, origin: str, arch: str) -> Era:
    version = tuple(int(number) for number in re.findall(r"\d+", release)[:3])
    distro = _distro(release, origin)
    checks = next(tuple(one["list"]) for one in _variants("eras.toml", "checks") if _holds(one, version, arch, distro))
    features = _table("eras.toml")["feature"]
    return Era(
        version=version,
        arch=arch,
        distro=distro,
        checks=checks,
        features=frozenset(name for name, entry in features.items() if _holds(entry, version, arch, distro)),
    )


def _holds(entry: _Table, version: tuple[int, ...], arch: str, distro: str) -> bool:
    """Whether an entry's `since` (inclusive), `until` (exclusive), `arch` and `distro` fit; what it lacks fits all."""
    return (
        version >= _version(entry.get("since", "0"))
        and version < _version(entry.get("until", "9999"))
        and arch in entry.get("arch", [arch])
        and distro in entry.get("distro", [distro])
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))


def _distro(release: str, origin: str) -> str:
    for name, entry in _table("eras.toml")["distro"].items():
        if origin.startswith(entry["origin"]) or re.search(entry["release"], release):
            return str(name)
    return ""


def _variants(file: str, key: str) -> list[_Table]:
    entry = _table(file).get(key, [])
    return [entry] if isinstance(entry, dict) else entry


@cache
def _table(file: str) -> _Table:
    return tomllib.loads(files("dlkm.data").joinpath(file).read_text("utf-8"))


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
        for name, entry in _table("rules.toml").items()
    }
