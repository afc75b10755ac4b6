# SPDX-License-Identifier: GPL-2.0-or-later
"""A directory of this machine as a root filesystem: the way through it, by descriptors, no link ever followed."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Self

from dlkm.filesystem.place import BrokenPathError, Kind, Place, walk

ENTER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Descriptors:
    """Where a walk through a directory is (`Cursor`): a descriptor for it, and for each directory above it."""

    def __init__(self, root: int) -> None:
        self._open = [os.dup(root)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    def look(self, name: str) -> tuple[Kind, str]:
        """As in `Cursor`."""
        return look(name, self._open[-1])

    def enter(self, name: str) -> None:
        """As in `Cursor`."""
        self._open.append(os.open(name, ENTER, dir_fd=self._open[-1]))

    def leave(self) -> None:
        """As in `Cursor`."""
        os.close(self._open.pop())


def look(name: str, descriptor: int) -> tuple[Kind, str]:
    """What lies in a directory under a name, and what it says where it is a link."""
    try:
        mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return Kind.MISSING, ""
    if stat.S_ISLNK(mode):
        with suppress(FileNotFoundError):
            return Kind.LINK, os.readlink(name, dir_fd=descriptor)
        return Kind.MISSING, ""
    if stat.S_ISDIR(mode):
        return Kind.DIRECTORY, ""
    return Kind.FILE if stat.S_ISREG(mode) else Kind.OTHER, ""


def place_in(root: Path, path: str) -> Place | None:
    """Where a path leads below a directory; None for one that leads nowhere, or that may not be looked at."""
    try:
        top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with Descriptors(top) as cursor:
            return walk(path, cursor)
    except (BrokenPathError, OSError):
        return None
    finally:
        os.close(top)
