# SPDX-License-Identifier: GPL-2.0-or-later
"""Where what was read of kernels is kept in the cache: bounded, and what was not asked for the longest goes first.

Each file can be made again from the kernel, so that any may go at any time.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from dlkm.core.files import StorageError, cache_home, write_atomically
from dlkm.core.kept import make_room

ROOM = 512 << 20  # bytes of a directory; a distribution's kernel takes five million
COUNT = 2048  # files of a directory
_FOLDERS = ("images", "types")


def folder(name: str) -> Path:
    """One of the directories."""
    return cache_home() / name


def keep(path: Path, data: bytes | str) -> None:
    """Keep a file; where the cache cannot be written, it is read of the kernel again the next time."""
    with suppress(StorageError, OSError):
        write_atomically(path, data)
        make_room(str(path.parent), ROOM, COUNT)


def asked_for(path: Path) -> None:
    """Note that a file is of use."""
    with suppress(OSError):  # a cache that may only be read is of use, too
        os.utime(path)


def drop(paths: Iterable[Path]) -> None:
    """Remove files, those that are there."""
    for path in paths:
        with suppress(OSError):
            path.unlink()


def old(age: float) -> Iterator[tuple[Path, int]]:
    """The files that were not asked for during so many seconds, with their bytes."""
    before = time.time() - age
    for name in _FOLDERS:
        with suppress(OSError):
            for path in sorted(folder(name).iterdir()):
                status = path.lstat()
                if status.st_mtime < before:
                    yield path, status.st_size
