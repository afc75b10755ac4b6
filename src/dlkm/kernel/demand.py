# SPDX-License-Identifier: GPL-2.0-or-later
"""Brings the packed modules of a kernel of the pool back, all at once, when something asks for one of them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dlkm.core.errors import FetchError, MalformedError
from dlkm.core.events import telling
from dlkm.core.files import StorageError, cannot_write
from dlkm.kernel import rest
from dlkm.kernel.manifest import Manifest
from dlkm.kernel.record import NAME, PACK, Record


def packed(path: Path) -> Iterator[str]:
    """The files at or below `path` that a kernel of the pool has packed, as absolute names; none anywhere else."""
    home = _home(path)
    if home is None:
        return
    real = os.path.realpath(path)
    for name in rest.read(home)[1].entries:
        file = f"{home}/{name}"
        if file == real or file.startswith(f"{real}/"):
            yield f"{path}{file.removeprefix(real)}"


def digests(path: Path) -> dict[str, str]:
    """The SHA-256 of each of the files below a directory that are packed; none when their pack is not what it was."""
    home = _home(path)
    if home is None:
        return {}
    pack, files = rest.read(home)
    if next(Manifest({PACK: pack}).differences(home, whole=True), None) is not None:
        return {}
    real = os.path.realpath(path)
    listed = ((f"{home}/{name}", entry.sha256) for name, entry in files.entries.items())
    return {f"{path}{name.removeprefix(real)}": digest for name, digest in listed if name.startswith(f"{real}/")}


def complete(path: Path) -> None:
    """Unpack what the kernel of the pool that `path` lies in has packed; nothing to do for any other path.

    Files are added, none is replaced, and the pack goes last: whoever breaks off leaves it to the next. FetchError when
    the pack is damaged; StorageError when the disk is full or the pool may only be read.
    """
    home = _home(path)
    if home is None:
        return
    from dlkm.kernel.pool import Pool

    pool, events = Pool(home.parent), telling.get()
    try:
        with pool.locked(home.name, events), pool.scratch(home.name) as made:
            if (home / PACK).exists():  # else another process was quicker
                with events.task(f"unpacking the other modules of {home.name}"):
                    _bring(home, made)
                events.info(f"{home.name}: unpacked the other modules, which had been left packed")
    except MalformedError as error:
        raise FetchError(f"kernel {home.name} is damaged: {error.what}", hint=_restoring(home)) from error
    except StorageError as error:
        hint = error.hint or f"make room or let the pool be written once: dlkm kernel add --all-modules {home.name}"
        raise StorageError(f"the other modules of {home.name} cannot be unpacked: {error.what}", hint=hint) from error


def complete_for(paths: Iterable[Path]) -> None:
    """`complete` for those that are not there: perhaps they are packed."""
    for path in paths:
        if not path.exists():
            complete(path)


def _home(path: Path) -> Path | None:
    """The entry of a pool that something lies in and that has modules packed."""
    real = Path(os.path.realpath(path))
    found = (folder for folder in (real, *real.parents) if (folder / PACK).is_file())
    return next((folder for folder in found if (folder / rest.LIST).is_file()), None)


def _bring(home: Path, made: Path) -> None:
    names = rest.unpack(home, made)
    done: list[Path] = []
    try:
        for name in names:
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (made / name).rename(target)
            done.append(target)
        (home / PACK).unlink()
    except OSError as error:
        for target in done:
            target.unlink(missing_ok=True)
        raise cannot_write(home, error) from error


def _restoring(home: Path) -> str:
    try:
        origin = Record.read(home / NAME).origin
    except (OSError, MalformedError):
        return f"dlkm kernel rm {home.name}"
    return f"restore it: dlkm kernel rm {home.name} && dlkm kernel add {origin}"
