# SPDX-License-Identifier: GPL-2.0-or-later
"""A package as a value, whatever format it will be written in. Reads and writes nothing."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """One file or link. `path` is absolute, on the target; `mode` the permission bits.

    `source` is where its bytes lie now, None for a link, whose text is `link`. All belong to root.
    """

    path: str
    mode: int
    source: Path | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """What the package manager runs; empty for none."""

    preinst: str = ""
    postinst: str = ""
    prerm: str = ""
    postrm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package, its relations in the names of the system that it was made for.

    A relation is `NAME` or `NAME (>= 1.0)`. `version` is `[EPOCH:]VERSION-REVISION`, `arch` the maker's own word
    for it (OpenEmbedded: the machine with '_' for '-'). `folders` are the directories that hold nothing of it.
    """

    name: str
    version: str
    arch: str
    summary: str = ""
    description: str = ""
    licence: str = ""
    section: str = ""
    homepage: str = ""
    recipe: str = ""
    depends: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    files: tuple[PackageFile, ...] = ()
    folders: tuple[str, ...] = ()
    conffiles: tuple[str, ...] = ()
    scripts: Scripts = field(default_factory=Scripts)
