# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs and files dlkm needs of a machine, as data/tools.toml states them, and which packages bring them."""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dlkm.core.data import data_table
from dlkm.core.errors import MissingToolError, UsageError

MANAGERS = {"apt-get": "debian", "dnf": "rpm"}  # a package manager's program and the table's word for its packages

SBIN = ("/usr/sbin", "/sbin")  # where kmod's programs lie, and what not every user has in PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One program, or one file where `file` (globs) is given. `needed`: the main road stops without it.

    `version` are the arguments that make it say its version; empty where it says none. `packages` maps a package
    manager's program to the package that holds the tool.
    """

    name: str
    purpose: str
    needed: bool
    packages: Mapping[str, str]
    version: tuple[str, ...] = ()
    file: tuple[str, ...] = ()

    def find(self) -> Path | None:
        """Where it lies on this machine, or None."""
        if self.file:
            found = (path for pattern in self.file for path in Path("/").glob(pattern.lstrip("/")))
            return min(found, default=None)
        return find_program(self.name)


def find_program(program: str) -> Path | None:
    """Where a program lies in the search path, or None."""
    found = shutil.which(program, path=search_path())
    return Path(found) if found is not None else None


def search_path(env: Mapping[str, str] = os.environ) -> str:
    """PATH, and the directories for the administrator's programs."""
    folders = env.get("PATH", os.defpath).split(":")
    return ":".join(dict.fromkeys([*folders, *SBIN]))


@cache
def all_tools() -> tuple[Tool, ...]:
    """Every tool, in the table's order."""
    table = data_table("tools.toml")
    host = _host()
    return tuple(
        Tool(
            name=name,
            purpose=entry["purpose"],
            needed=entry["needed"] in {True, host},
            packages={key: entry[word] for key, word in MANAGERS.items() if word in entry},
            version=tuple(entry.get("version", ())),
            file=tuple(entry.get("file", ())),
        )
        for name, entry in table.items()
    )


def install_command(tools: Iterable[Tool]) -> str | None:
    """The one command that installs these here; None for no tools."""
    manager = package_manager()
    packages = dict.fromkeys(tool.packages[manager] for tool in tools if manager in tool.packages)
    return f"{manager} install {' '.join(packages)}" if packages else None


def package_manager() -> str:
    """The package manager of this machine, as a program; apt-get where none that we know is found."""
    return "dnf" if shutil.which("apt-get") is None and shutil.which("dnf") is not None else "apt-get"


def missing(program: str) -> MissingToolError:
    """The error for a program that is not installed, with the command that installs it when the table knows it."""
    tool = next((tool for tool in all_tools() if tool.name == program), None)
    if tool is None:
        return MissingToolError(f"program {program!r} is not installed")
    what = f"program {program!r} is not installed; it is needed: {tool.purpose}"
    return MissingToolError(what, hint=install_command([tool]))


def _host() -> str:
    import platform

    from dlkm.core.arch import arch_named

    try:
        return arch_named(platform.machine()).name
    except UsageError:
        return platform.machine()
