# SPDX-License-Identifier: GPL-2.0-or-later
"""A package as a value, whatever format it will be written in. Reads and writes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dlkm.core.errors import MalformedError


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """One file or link. `path` is absolute, on the target; `mode` the permission bits.

    `source` is where its bytes lie now, or `data` holds them; a link has neither, but its text in `link`. All belong to
    root.
    """

    path: str
    mode: int
    source: Path | None = None
    link: str | None = None
    data: bytes = b""

    def read(self) -> bytes:
        """Its bytes; MalformedError when the file is not there any more."""
        try:
            return self.data if self.source is None else self.source.read_bytes()
        except OSError as error:
            raise MalformedError(f"{self.source}: cannot be read: {error.strerror}", hint="build it again") from error


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
    `maintainer` is "NAME <ADDRESS>" or empty, `authors` are those who hold the copyright, as far as anybody says.
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
    maintainer: str = ""
    authors: tuple[str, ...] = ()
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


def blank(package: Package, *, name: str, arch: str) -> Package:
    """One that says the same of itself, and holds and relates to nothing."""
    return Package(
        name=name,
        version=package.version,
        arch=arch,
        summary=package.summary,
        description=package.description,
        licence=package.licence,
        section=package.section,
        homepage=package.homepage,
        recipe=package.recipe,
        maintainer=package.maintainer,
        authors=package.authors,
    )


RELATIONS = ("depends", "recommends", "suggests", "provides", "replaces", "conflicts")  # the fields that name others


def related(package: Package, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Package:
    """The package with all its relations changed."""
    changed: dict[str, Any] = {name: change(getattr(package, name)) for name in RELATIONS}
    return replace(package, **changed)
