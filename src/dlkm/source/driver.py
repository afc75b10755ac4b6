# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver's source directory as a value, found by what lies in it. Builds and changes nothing."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath

from dlkm.core.errors import UsageError
from dlkm.core.processes import shell_line
from dlkm.source.dkms import CONF
from dlkm.source.makefile import Makefile, read_makefile

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")  # the order in which GNU make looks


class Style(StrEnum):
    """How a driver is made."""

    MAKE = "make"  # its own Makefile calls the kernel's: a plain `make` does it
    KBUILD = "kbuild"  # it only speaks Kbuild: the kernel's make is called on it
    DKMS = "dkms"  # its dkms.conf says which commands make it


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One driver. `path` is absolute, `subdir` is where in it make runs ("" for the top), `name` is safe in a path."""

    path: Path
    name: str
    subdir: str
    style: Style
    makefile: Makefile


def find(path: Path, subdir: str = "") -> Driver:
    """The driver in a directory; UsageError when there is no such directory, or no Makefile and no Kbuild in it."""
    try:
        root = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"no source directory at {path}") from error
    if any(0xDC80 <= ord(letter) <= 0xDCFF for letter in str(root)):
        raise UsageError(f"{str(root)!r}: the name of the source directory is no UTF-8")
    if not root.is_dir():
        raise UsageError(f"{path} is no directory", hint="SOURCE is the directory that holds the Makefile")
    folder = _inside(root, subdir)
    style, makefile = _recognise(folder, root)
    place = "" if folder == root else str(folder.relative_to(root))
    return Driver(path=root, name=safe_name(root.name), subdir=place, style=style, makefile=makefile)


def safe_name(text: str) -> str:
    """The text as a file name that holds no blank, no '/', and none of the characters of an id ('@', '#')."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip(".-") or "driver"


def told_apart(drivers: Sequence[Driver]) -> tuple[Driver, ...]:
    """The same drivers with names that differ."""
    names = named_apart({driver.path: driver.name for driver in drivers})
    return tuple(replace(driver, name=names[driver.path]) for driver in drivers)


def named_apart(names: Mapping[Path, str], taken: Collection[str] = ()) -> dict[Path, str]:
    """Names that differ: those that are used twice, or taken, get their parent directories' names in front."""
    found, depth = dict(names), 1
    while len(set(found.values()) - set(taken)) < len(found):
        used = [*found.values(), *taken]
        for number, (path, name) in enumerate(list(found.items())):
            if used.count(name) > 1:
                parts = (*path.parts[-1 - depth : -1], names[path])
                found[path] = safe_name("-".join(parts)) + ("" if depth < 9 else f"-{number}.{depth}")
        depth += 1
    return found


def _inside(root: Path, subdir: str) -> Path:
    place = PurePosixPath(subdir)
    folder = (root / place).resolve()
    if place.is_absolute() or not folder.is_relative_to(root):
        raise UsageError(f"--subdir {subdir}: does not lie in {root}")
    if not folder.is_dir():
        raise UsageError(f"--subdir {subdir}: no such directory in {root}")
    return folder


def _recognise(folder: Path, root: Path) -> tuple[Style, Makefile]:
    if folder == root and (root / CONF).is_file():
        return Style.DKMS, _makefile_of(root)
    kbuild = folder / "Kbuild"
    own = next((folder / name for name in MAKEFILES if (folder / name).is_file()), None)
    if own is None:
        if not kbuild.is_file():
            raise _nothing_there(folder, root)
        return Style.KBUILD, read_makefile(kbuild, root)
    makefile = read_makefile(own, root)
    if makefile.drives_kbuild:
        return Style.MAKE, makefile
    if makefile.has_objects:
        return Style.KBUILD, makefile
    if kbuild.is_file() and not makefile.goals:
        return Style.KBUILD, read_makefile(kbuild, root)
    return Style.MAKE, makefile


def _makefile_of(root: Path) -> Makefile:
    """The Makefile beside a dkms.conf, which may have none: it can name one further down."""
    path = next((root / name for name in (*MAKEFILES, "Kbuild") if (root / name).is_file()), None)
    return read_makefile(path, root) if path is not None else Makefile(path=root / CONF, lines=())


def _nothing_there(folder: Path, root: Path) -> UsageError:
    below = [path for path in _below(folder) if any((path / name).is_file() for name in (*MAKEFILES, "Kbuild"))]
    if not below:
        return UsageError(f"{folder} holds no Makefile and no Kbuild", hint="SOURCE is the directory that holds one")
    found = shell_line(["--subdir", below[0].relative_to(root)])
    return UsageError(f"{folder} holds no Makefile and no Kbuild", hint=f"there is one below: {found}")


def _below(folder: Path) -> list[Path]:
    """The directories directly below, and below those; a hint needs no more."""
    found: list[Path] = []
    for level in (folder, *(Path(entry.path) for entry in _folders(folder))):
        found += sorted(Path(entry.path) for entry in _folders(level))
    return found[:200]


def _folders(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."]
    except OSError:
        return []
