# SPDX-License-Identifier: GPL-2.0-or-later
"""The systems that packages are for, as data/packages.toml has them: their words for kernels and for Yocto's names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from dlkm.core.data import data_table
from dlkm.kernel.distribution import distribution_of
from dlkm.package.names import Format, legitimised


class System(StrEnum):
    """Whose names packages have."""

    DEBIAN = "debian"
    RPM = "rpm"
    YOCTO = "yocto"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPackage:
    """What has a kernel on a system; `modules` what has its own modules, "{M}" in it for the module's name.

    `why` says what a user should know where no package of that very kernel is known.
    """

    needs: str = ""
    recommends: str = ""
    modules: str = ""
    why: str = ""


def system_of(form: Format) -> System:
    """The system whose packages have that format."""
    return System(_table()["systems"][form])


def kernel_package(system: System, release: str, origin: str) -> KernelPackage:
    """What has the kernel; told by its release and where it came from."""
    for entry in _table()["kernels"]:
        if entry["system"] == system and _fits(entry, release, origin):
            told = {"{R}": release, "{F}": flavour_of(release)}
            return KernelPackage(**{key: _filled(entry.get(key, ""), told) for key in KernelPackage.__slots__})
    return KernelPackage()


def _filled(text: str, told: Mapping[str, str]) -> str:
    for word, value in told.items():
        text = text.replace(word, value)
    return text


def _fits(entry: Mapping[str, Any], release: str, origin: str) -> bool:
    if "distribution" in entry:
        return bool(distribution_of(release, origin) == entry["distribution"])
    return "release" not in entry or re.search(entry["release"], release) is not None


def flavour_of(release: str) -> str:
    """Which of the kernels of one version it is, as part of a package's name; "" for the plain one."""
    for entry in _table()["flavours"]:
        match = re.search(entry["release"], release)
        if match is not None:
            return "" if match[1] in entry["plain"] else legitimised(match[1])
    return ""


def abi_of(release: str) -> str:
    """The release without its flavour, as part of a version: "6.1.0-56-rt-amd64" → "6.1.0.56"."""
    for entry in _table()["flavours"]:
        match = re.search(entry["release"], release)
        if match is not None:
            release = release[: match.start(1)]
            break
    text = re.sub(r"-(?=rc\d)", "~", release)
    return re.sub(r"[^A-Za-z0-9.+~]+", ".", text).strip(".+")


def is_of_kernel(name: str) -> bool:
    """Whether a name of Yocto's is a part of the kernel that all systems have in one."""
    return any(fnmatchcase(name, pattern) for pattern in _table()["yocto"]["kernel"])


def translated(name: str, system: System) -> str | None:
    """What a name of Yocto's is called there: "" where nothing need be named, None where nobody knows."""
    table = _table()["yocto"]
    known: str | None = table[system].get(name)
    return name if known is None and name in table["same"] else known


def called_there(name: str, system: System) -> str:
    """A package's name with the system's own word for what it is (-dev, -dbg)."""
    for ending, word in _table()["endings"].get(system, {}).items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending)}{word}"
    return name


def is_for_developers(name: str) -> bool:
    """Whether no target needs a package in order to run, by what Yocto calls such."""
    return name.endswith(tuple(_table()["yocto"]["developers"]))


def section_of(section: str) -> str:
    """A section that Debian has."""
    table = _table()["sections"]
    return section if section in table["known"] else str(table["otherwise"])


def root_word(form: Format) -> str:
    """What a script has in the place of $D, as shell."""
    return str(_table()["roots"][form])


def _table() -> Mapping[str, Any]:
    return data_table("packages.toml")
