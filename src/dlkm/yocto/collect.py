# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tasks left in the scratch directory becomes packages and modules in the output. Trusts no path of theirs."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from dlkm.core.errors import WorkerLostError
from dlkm.core.files import inside
from dlkm.package.package import Package, PackageFile, Scripts
from dlkm.package.store import FOLDER
from dlkm.yocto.preset import WORK

INDEX = "dlkm-packages.json"  # the tasks' list of packages, in WORKDIR
_LIMIT = 64 << 20  # bytes of the tasks' list of packages


def place_outside(path: str, scratch: Path) -> Path:
    """Where a path of the sandbox lies here; WorkerLostError when it leads out of the scratch directory."""
    pure = PurePosixPath(path)
    if pure.is_relative_to(WORK):
        place = scratch / pure.relative_to(WORK)
        if place.resolve().is_relative_to(scratch.resolve()):
            return place
    raise WorkerLostError(f"the recipe's tasks named {path}, which is no directory of theirs")


def packages_in(facts: Mapping[str, str], scratch: Path, output: Path, recipe: str) -> tuple[Package, ...]:
    """Copy the packages below `packages-split` of the output; none when do_package did not run."""
    index = place_outside(facts["WORKDIR"], scratch) / INDEX
    if index.is_symlink() or not index.is_file() or index.stat().st_size > _LIMIT:
        return ()
    split = place_outside(facts["PKGDEST"], scratch)
    try:
        table = json.loads(index.read_text("utf-8", "replace"))
        return tuple(_taken(entry, split, output, recipe) for entry in table)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WorkerLostError(f"the recipe's tasks left a list of packages that is none: {error}") from error


def _taken(entry: Mapping[str, Any], split: Path, output: Path, recipe: str) -> Package:
    key, name = _plain(entry["key"]), _plain(entry["name"])
    target = output / FOLDER / name
    target.mkdir(parents=True, exist_ok=True)
    for folder in entry["folders"]:
        (target / inside(folder)).mkdir(parents=True, exist_ok=True)
    files = tuple(_file(one, split / key, target) for one in entry["files"])
    return Package(
        name=name,
        version=str(entry["version"]),
        arch=str(entry["arch"]),
        summary=str(entry["summary"]),
        description=str(entry["description"]),
        licence=str(entry["licence"]),
        section=str(entry["section"]),
        homepage=str(entry["homepage"]),
        recipe=recipe,
        maintainer=str(entry["maintainer"]),
        depends=_words(entry["RDEPENDS"]),
        recommends=_words(entry["RRECOMMENDS"]),
        suggests=_words(entry["RSUGGESTS"]),
        provides=_words(entry["RPROVIDES"]),
        replaces=_words(entry["RREPLACES"]),
        conflicts=_words(entry["RCONFLICTS"]),
        files=files,
        folders=tuple(f"/{inside(folder)}" for folder in entry["folders"]),
        conffiles=_words(entry["conffiles"]),
        scripts=Scripts(**{kind: str(text) for kind, text in entry["scripts"].items()}),
    )


def _plain(value: Any) -> str:
    """A name that is one path component."""
    if not isinstance(value, str) or PurePosixPath(value).name != value or value in {"", ".."}:
        raise ValueError(value)
    return value


def _words(value: Any) -> tuple[str, ...]:
    return tuple(str(word) for word in value)


def _file(entry: Mapping[str, Any], source: Path, target: Path) -> PackageFile:
    place = inside(str(entry["path"]).removeprefix("/"))
    copy, original = target / place, source / place
    copy.parent.mkdir(parents=True, exist_ok=True)
    if not original.parent.resolve().is_relative_to(source.resolve()):
        raise ValueError(place)
    if entry["link"] is not None:
        copy.symlink_to(str(entry["link"]))
        return PackageFile(path=f"/{place}", mode=0o777, link=str(entry["link"]))
    if original.is_symlink():
        raise ValueError(place)
    shutil.copyfile(original, copy)
    mode = int(entry["mode"]) & 0o7777
    copy.chmod(mode & 0o777 | 0o600)
    return PackageFile(path=f"/{place}", mode=mode, source=copy)
