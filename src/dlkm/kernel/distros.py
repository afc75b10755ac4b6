# SPDX-License-Identifier: GPL-2.0-or-later
"""What data/distros.toml knows of distributions. Asks nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from dlkm.core.data import data_table


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from: a mirror, a suite, its components (one word or more)."""

    uri: str
    suite: str
    components: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Debian:
    """Debian's archive; the fields are those of the table."""

    keyrings: tuple[str, ...]
    keyring_package: str
    components: tuple[str, ...]
    parts: tuple[str, ...]
    host_parts: tuple[str, ...]
    suites: Mapping[str, str]
    flavours: Mapping[str, str]
    patches: Mapping[str, str]

    @classmethod
    def read(cls) -> Self:
        """From the table; the same one each time."""
        return cls(**_debian())

    def knows_suite(self, name: str) -> bool:
        """Whether kernels are looked for there."""
        return name in self.suites

    def split(self, release: str) -> tuple[str, str] | None:
        """What comes before the flavour, and the flavour, the longest that fits; None for a release of none."""
        fitting = [flavour for flavour in self.flavours if release.endswith(f"-{flavour}")]
        if not fitting:
            return None
        flavour = max(fitting, key=len)
        return release[: -len(flavour) - 1], flavour

    def everywhere(self, known: Sequence[Source], mirrors: Sequence[str] = ()) -> tuple[Source, ...]:
        """Every suite of the table, from the given mirrors, else from those that the known sources name.

        A mirror whose path ends in "security" has security updates, any other the main archive.
        """
        uris = list(dict.fromkeys([uri.rstrip("/") for uri in mirrors] or [source.uri for source in known]))
        found = [
            Source(uri, suite, component)
            for suite, archive in self.suites.items()
            for uri in uris
            if (archive == "security") == uri.endswith("security")
            for component in self.components
        ]
        return tuple(dict.fromkeys([*([] if mirrors else known), *found]))


def headers_command(release: str, os_release: Path = Path("/etc/os-release")) -> str | None:
    """The command that installs the headers of a release on this machine's distribution; None where none is known."""
    try:
        text = os_release.read_text("utf-8", "replace")
    except OSError:
        return None
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    words = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    commands: dict[str, str] = _tables()["headers"]
    return next((commands[word].replace("{R}", release) for word in words if word in commands), None)


def _tables() -> dict[str, Any]:
    return data_table("distros.toml")


@cache
def _debian() -> dict[str, Any]:
    table: dict[str, Any] = _tables()["debian"]
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list) and key != "suites"}
    return table | lists | {"suites": {suite["name"]: suite["archive"] for suite in table["suites"]}}
