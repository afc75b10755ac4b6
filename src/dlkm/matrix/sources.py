# SPDX-License-Identifier: GPL-2.0-or-later
"""The sources of a run: paths and globs to drivers and recipes, each once, with names that differ. Builds nothing."""

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.core.errors import DlkmError, NothingSelectedError, UsageError
from dlkm.matrix.declaration import SourceTable
from dlkm.source.driver import Driver, find, named_apart, safe_name
from dlkm.yocto.layers import is_recipe

_PN = re.compile(r"^PN\s*=\s*[\"']([^\"'$]+)[\"']", re.MULTILINE)
_LIMIT = 1 << 20  # bytes of a recipe that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One driver; a recipe (.bb) where `driver` is None. `name` is the first part of its cells' ids.

    `entries` are the numbers of the project file's entries that name it, in their order. `called` is its own name for
    itself: a recipe's PN.
    """

    name: str
    path: Path
    driver: Driver | None
    called: str
    entries: tuple[int, ...] = ()


@dataclass(slots=True)
class _Found:
    """A path and what the entries that name it say."""

    path: Path
    entries: list[int]
    name: str | None = None
    subdir: str = ""


def find_sources(entries: Sequence[SourceTable], where: Sequence[str] = ()) -> tuple[Source, ...]:
    """What the entries name, in their order. What several name gets the settings of all; the last name holds.

    UsageError for a path that is no source, and for one name given to several; NothingSelectedError for a glob that
    finds none. `where` says of each entry where it stands.
    """
    found: dict[Path, _Found] = {}
    for number, entry in enumerate(entries):
        try:
            paths = tuple(_paths(entry))
            if entry.name is not None and len(paths) > 1:
                raise UsageError(f"{entry.path} means {len(paths)} sources, which cannot all be called {entry.name}")
        except DlkmError as error:
            raise type(error)(f"{where[number]}: {error.what}" if where else error.what, hint=error.hint) from error
        for path in paths:
            one = found.setdefault(path, _Found(path=path, entries=[]))
            one.entries.append(number)
            one.name = entry.name or one.name
            one.subdir = entry.subdir or one.subdir
    return _named(list(found.values()))


def _named(found: Sequence[_Found]) -> tuple[Source, ...]:
    drivers = [None if is_recipe(one.path) else find(one.path, one.subdir) for one in found]
    given = {one.path: one.name for one in found if one.name is not None}
    if len(set(given.values())) < len(given):
        twice = sorted({name for name in given.values() if list(given.values()).count(name) > 1})
        raise UsageError(f"several sources are called {', '.join(twice)}")
    called = {
        one.path: driver.name if driver is not None else _recipe_name(one.path)
        for one, driver in zip(found, drivers, strict=True)
    }
    own = {path: safe_name(name) for path, name in called.items() if path not in given}
    names = named_apart(own, taken=frozenset(given.values())) | given
    return tuple(
        Source(
            name=names[one.path],
            path=one.path,
            driver=replace(driver, name=names[one.path]) if driver is not None else None,
            called=called[one.path],
            entries=tuple(one.entries),
        )
        for one, driver in zip(found, drivers, strict=True)
    )


def _paths(entry: SourceTable) -> Iterator[Path]:
    """The one path, or those that a glob matches and that are sources."""
    if Path(entry.path).exists() or not glob.has_magic(entry.path):
        yield _real(Path(entry.path), entry.subdir)
        return
    matches = [Path(name) for name in sorted(glob.glob(entry.path, recursive=True))]  # noqa: PTH207 — may be absolute
    sources = [path for path in matches if _is_source(path, entry.subdir)]
    if not sources:
        what = "none of what matches it is a source" if matches else "nothing matches it"
        raise NothingSelectedError(f"{entry.path}: {what}")
    yield from (_real(path, entry.subdir) for path in sources)


def _real(path: Path, subdir: str) -> Path:
    """One spelling for a source, by which it is known again; UsageError when it is none."""
    if not is_recipe(path):
        return find(path, subdir).path
    if not path.is_file():
        raise UsageError(f"no recipe at {path}")
    return path.absolute()


def _is_source(path: Path, subdir: str) -> bool:
    if not path.is_dir():
        return path.suffix == ".bb" and path.is_file()
    try:
        find(path, subdir)
    except UsageError:
        return False
    return True


def _recipe_name(path: Path) -> str:
    """PN, as far as the text tells: the file's name has it, and an assignment may."""
    with path.open("rb") as stream:
        stated = _PN.search(stream.read(_LIMIT).decode("utf-8", "replace"))
    return stated[1] if stated is not None else path.stem.partition("_")[0]
