# SPDX-License-Identifier: GPL-2.0-or-later
"""packages.json and packages-split/ in the output of a recipe's build. Writes and reads; makes no package."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from dlkm.core.errors import MalformedError
from dlkm.core.files import inside, write_atomically
from dlkm.package.package import RELATIONS, Package, PackageFile, Scripts

SCHEMA = "dlkm.packages/1"
INDEX = "packages.json"
FOLDER = "packages-split"  # holds a directory for each package, in it the files as on the target
_LIMIT = 64 << 20  # bytes; a real one has two thousand
_WORDS = ("version", "arch", "summary", "description", "licence", "section", "homepage", "recipe")


def write_packages(output: Path, packages: Sequence[Package]) -> None:
    """Write the index; the files lie below `packages-split/NAME` already."""
    table = {"schema": SCHEMA, "packages": [_table(package) for package in packages]}
    write_atomically(output / INDEX, json.dumps(table, indent=1, ensure_ascii=True) + "\n")


def _table(package: Package) -> dict[str, Any]:
    files = [{"path": file.path, "mode": file.mode, "link": file.link} for file in package.files]
    return asdict(package) | {"files": files}


def has_packages(output: Path) -> bool:
    """Whether a build made packages."""
    return (output / INDEX).is_file()


def read_packages(output: Path) -> tuple[Package, ...]:
    """The packages of a build; none where it made none. MalformedError for an index that is none, or lost files."""
    path = output / INDEX
    if not path.exists():
        return ()
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT + 1)
        table = json.loads(data if len(data) <= _LIMIT else "")
        return _parse(table, output)
    except OSError as error:
        raise MalformedError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(f"{path}: is no index of packages of {SCHEMA}", hint="build the recipe again") from error


def _parse(table: dict[str, Any], output: Path) -> tuple[Package, ...]:
    if table["schema"] != SCHEMA:
        raise ValueError(table["schema"])
    return tuple(_package(entry, output) for entry in table["packages"])


def _package(entry: dict[str, Any], output: Path) -> Package:
    name = _text(entry["name"])
    if PurePosixPath(name).name != name:
        raise ValueError(name)
    folder = output / FOLDER / name
    relations: dict[str, Any] = {key: _texts(entry[key]) for key in RELATIONS}
    words: dict[str, Any] = {key: _text(entry[key]) for key in _WORDS} | {
        "maintainer": _text(entry.get("maintainer", ""))
    }
    return Package(
        name=name,
        **words,
        **relations,
        files=tuple(_file(one, folder) for one in entry["files"]),
        folders=tuple(_absolute(one) for one in entry["folders"]),
        conffiles=tuple(_absolute(one) for one in entry["conffiles"]),
        scripts=Scripts(**{key: _text(text) for key, text in entry["scripts"].items()}),
    )


def _file(entry: dict[str, Any], folder: Path) -> PackageFile:
    path, mode, link = _absolute(entry["path"]), entry["mode"], entry["link"]
    if not isinstance(mode, int) or not 0 <= mode <= 0o7777:
        raise ValueError(mode)
    if link is not None:
        return PackageFile(path=path, mode=mode, link=_text(link))
    source = folder / path[1:]
    if not source.is_file() or not source.resolve().is_relative_to(folder.resolve()):
        raise MalformedError(f"{folder}: {path} is not there", hint="build the recipe again")
    return PackageFile(path=path, mode=mode, source=source)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(_text(word) for word in value)


def _absolute(value: Any) -> str:
    text = _text(value)
    if not text.startswith("/"):
        raise ValueError(text)
    inside(text[1:])
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(value)
    return value
