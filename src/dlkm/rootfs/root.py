# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem directory seen as its target sees it: every link is followed inside it. Reads; changes nothing."""

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from dlkm.core.errors import ExitStatus, MalformedError, SurroundingsError, UsageError

MOST_LINKS = 40  # as many as the kernel follows (include/linux/namei.h: MAXSYMLINKS)
CONF_LIMIT = 1 << 20  # bytes; a configuration file larger than this is none

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not make us wait


class Kind(StrEnum):
    """What lies at a place."""

    MISSING = "missing"
    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"  # a device, a FIFO, a socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a path leads inside the root: `path` is relative to it and holds no link but perhaps its last part.

    `target` is what a link says.
    """

    path: str
    kind: Kind
    target: str = ""


class RootfsAccessError(SurroundingsError):
    """The file system does not let us read there."""

    status = ExitStatus.MISSING_TOOL


class Root:
    """An open root directory. Close it, or use it in `with`.

    Links are resolved by our own walk over directory descriptors, none of which was reached through a link, so that
    neither an absolute link, nor `..`, nor one that is changed meanwhile leads out.
    """

    def __init__(self, path: Path) -> None:
        """UsageError when there is no such directory."""
        self.path = path.absolute()
        try:
            self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            hint = f"mkdir -p {path}" if isinstance(error, FileNotFoundError) else None
            raise UsageError(f"--rootfs {path}: {error.strerror}", hint=hint) from error
        except OSError as error:
            raise self._unreadable("", error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self._fd)

    def place(self, path: str, *, follow: bool = True) -> Place:
        """Where a path leads; what is missing is named as it would be made. `follow` says whether a last link counts.

        MalformedError for a loop of links and for a path that goes through something that is no directory.
        """
        try:
            with _Walk(self._fd) as walk:
                return walk.go(path, follow=follow)
        except _BrokenPathError as error:
            raise MalformedError(f"{self.path}/{path}: {error}") from error
        except OSError as error:
            raise self._unreadable(path, error) from error

    def host_path(self, path: str) -> Path:
        """Where a path (its links followed inside the root) lies for programs outside it."""
        return self.path / self.place(path).path

    @contextmanager
    def directory(self, real: str) -> Iterator[int]:
        """A descriptor of a directory named by `Place.path`; OSError when a link has come into the way."""
        descriptor = os.dup(self._fd)
        try:
            for part in _parts(real):
                inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def entries(self, path: str) -> tuple[Place, ...]:
        """What a directory holds, sorted by name, links not followed; nothing when there is no such directory."""
        here = self.place(path)
        if here.kind is not Kind.DIRECTORY:
            return ()
        try:
            with self.directory(here.path) as descriptor:
                listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
                try:
                    with os.scandir(listing) as found:
                        names = sorted(entry.name for entry in found)
                    return tuple(_place_of(name, here.path, listing) for name in names)
                finally:
                    os.close(listing)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def inode(self, path: str) -> tuple[int, int]:
        """Device and inode number of a directory, its links followed inside the root."""
        try:
            with self.directory(self.place(path).path) as descriptor:
                status = os.fstat(descriptor)
                return status.st_dev, status.st_ino
        except OSError as error:
            raise self._unreadable(path, error) from error

    def read(self, path: str, limit: int = CONF_LIMIT) -> bytes | None:
        """The first `limit` bytes of a file, links followed inside the root; None when there is no regular file."""
        here = self.place(path)
        if here.kind is not Kind.FILE:
            return None
        with self._open(here.path) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit)

    def digest(self, real: str) -> tuple[str, int]:
        """The SHA-256 and the permission bits of a regular file named by `Place.path`."""
        with self._open(real) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest(), stat.S_IMODE(os.fstat(descriptor).st_mode)

    @contextmanager
    def _open(self, real: str) -> Iterator[int]:
        folder, _, name = real.rpartition("/")
        try:
            with self.directory(folder) as directory:
                descriptor = os.open(name, _FILE, dir_fd=directory)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unreadable(real, error) from error

    def _unreadable(self, path: str, error: OSError) -> RootfsAccessError:
        return RootfsAccessError(f"cannot read {self.path}/{path}: {error.strerror or error}")


class _BrokenPathError(Exception):
    """A path of the root that leads nowhere even for the target."""


class _Walk:
    """One walk from the root: the names so far, and a descriptor for each of them that is a directory."""

    def __init__(self, root: int) -> None:
        self._names: list[str] = []
        self._open = [os.dup(root)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    def go(self, path: str, *, follow: bool) -> Place:
        todo = deque(_parts(path))
        links = 0
        place = Place(path="", kind=Kind.DIRECTORY)
        while todo:
            part = todo.popleft()
            if part == "..":
                self._back()
                place = Place(path="/".join(self._names), kind=Kind.DIRECTORY)
                continue
            place = self._look(part)
            if place.kind is Kind.LINK and (follow or todo):
                links += 1
                if links > MOST_LINKS:
                    raise _BrokenPathError("links lead in a circle")
                todo.extendleft(reversed(_parts(place.target)))
                self._restart(place.target)
                place = Place(path="/".join(self._names), kind=Kind.DIRECTORY)
                continue
            self._enter(part, place, last=not todo)
        return place

    def _look(self, part: str) -> Place:
        here = "/".join(self._names)
        if len(self._open) <= len(self._names):
            return Place(path=_join(here, part), kind=Kind.MISSING)
        return _place_of(part, here, self._open[-1])

    def _enter(self, part: str, place: Place, *, last: bool) -> None:
        if place.kind is Kind.DIRECTORY:
            self._open.append(os.open(part, _DIRECTORY, dir_fd=self._open[-1]))
        elif place.kind is not Kind.MISSING and not last:
            raise _BrokenPathError(f"{place.path} is no directory")
        self._names.append(part)

    def _back(self) -> None:
        if self._names:
            self._names.pop()
        while len(self._open) > len(self._names) + 1:
            os.close(self._open.pop())

    def _restart(self, target: str) -> None:
        if target.startswith("/"):
            while self._names:
                self._back()


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _place_of(name: str, folder: str, descriptor: int) -> Place:
    path = _join(folder, name)
    try:
        mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return Place(path=path, kind=Kind.MISSING)
    if stat.S_ISLNK(mode):
        with suppress(FileNotFoundError):
            return Place(path=path, kind=Kind.LINK, target=os.readlink(name, dir_fd=descriptor))
        return Place(path=path, kind=Kind.MISSING)
    if stat.S_ISDIR(mode):
        return Place(path=path, kind=Kind.DIRECTORY)
    return Place(path=path, kind=Kind.FILE if stat.S_ISREG(mode) else Kind.OTHER)
