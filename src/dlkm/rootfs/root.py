# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem seen as its target sees it: every link is followed inside it. Reads; changes nothing."""

import hashlib
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Self

from dlkm.core.errors import ExitStatus, MalformedError, SurroundingsError, UsageError
from dlkm.core.files import sha256_file
from dlkm.filesystem.directory import ENTER, Descriptors, look
from dlkm.filesystem.members import Form, Holder, lay_out
from dlkm.filesystem.place import BrokenPathError, Cursor, Kind, Place, joined, parts, walk

__all__ = ["CONF_LIMIT", "DirectoryRoot", "HeldRoot", "Kind", "Place", "Root", "RootfsAccessError"]

CONF_LIMIT = 1 << 20  # bytes; a configuration file larger than this is none

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not make us wait


class RootfsAccessError(SurroundingsError):
    """The file system does not let us read there."""

    status = ExitStatus.MISSING_TOOL


class Root(ABC):
    """An open root filesystem, whatever holds it. Paths are relative to it; names that are no UTF-8 are surrogates.

    `path` is what the user named, for messages; `tree` is the directory below which `host_path` finds files.
    """

    path: Path
    tree: Path
    form: Form

    def place(self, path: str, *, follow: bool = True) -> Place:
        """Where a path leads; what is missing is named as it would be made. `follow` says whether a last link counts.

        MalformedError for a loop of links and for a path that goes through something that is no directory.
        """
        try:
            with self.cursor() as cursor:
                return walk(path, cursor, follow=follow)
        except BrokenPathError as error:
            raise MalformedError(f"{self.path}/{path}: {error}") from error
        except OSError as error:
            raise self._unreadable(path, error) from error

    def entries(self, path: str) -> tuple[Place, ...]:
        """What a directory holds, sorted by name, links not followed; nothing when there is no such directory."""
        here = self.place(path)
        return self.listing(here.path) if here.kind is Kind.DIRECTORY else ()

    def listing(self, real: str) -> tuple[Place, ...]:
        """The same for a directory that is there, named by `Place.path`."""
        try:
            return self._entries(real)
        except OSError as error:
            raise self._unreadable(real, error) from error

    def read(self, path: str, limit: int = CONF_LIMIT) -> bytes | None:
        """The first `limit` bytes of a file, links followed inside the root; None when there is no regular file."""
        here = self.place(path)
        if here.kind is not Kind.FILE:
            return None
        try:
            return self._read(here.path, limit)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def digest(self, real: str) -> tuple[str, int]:
        """The SHA-256 and the permission bits of a regular file named by `Place.path`."""
        try:
            return self._digest(real)
        except OSError as error:
            raise self._unreadable(real, error) from error

    @abstractmethod
    def host_path(self, path: str) -> Path:
        """Where a file, or a directory with all below it, lies for programs outside; links followed inside the root."""

    def is_as_it_lies(self, real: str) -> bool:  # noqa: ARG002 — of roots that are planned
        """Whether a directory named by `Place.path` is just what `host_path` gives, with all below it."""
        return True

    @abstractmethod
    def cursor(self) -> AbstractContextManager[Cursor]:
        """For a walk that begins at the root."""

    @abstractmethod
    def _entries(self, real: str) -> tuple[Place, ...]: ...
    @abstractmethod
    def _read(self, real: str, limit: int) -> bytes: ...
    @abstractmethod
    def _digest(self, real: str) -> tuple[str, int]: ...

    def _unreadable(self, path: str, error: OSError) -> RootfsAccessError:
        return RootfsAccessError(f"cannot read {self.path}/{path}: {error.strerror or error}")


class DirectoryRoot(Root):
    """A directory as a root filesystem. Close it, or use it in `with`.

    Links are resolved by our own walk over directory descriptors, none of which was reached through a link, so that
    neither an absolute link, nor `..`, nor one that is changed meanwhile leads out.
    """

    form = Form.DIRECTORY

    def __init__(self, path: Path) -> None:
        """UsageError when there is no such directory."""
        self.path = self.tree = path.absolute()
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

    def host_path(self, path: str) -> Path:
        """As in `Root`."""
        return self.tree / self.place(path).path

    @contextmanager
    def directory(self, real: str) -> Iterator[int]:
        """A descriptor of a directory named by `Place.path`; OSError when a link has come into the way."""
        descriptor = os.dup(self._fd)
        try:
            for part in parts(real):
                inner = os.open(part, ENTER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def cursor(self) -> AbstractContextManager[Cursor]:
        """As in `Root`."""
        return Descriptors(self._fd)

    def _entries(self, real: str) -> tuple[Place, ...]:
        with self.directory(real) as descriptor:
            listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
            try:
                with os.scandir(listing) as found:
                    return tuple(_place(real, one, listing) for one in sorted(found, key=lambda one: one.name))
            finally:
                os.close(listing)

    def _read(self, real: str, limit: int) -> bytes:
        with self._open(real) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit)

    def _digest(self, real: str) -> tuple[str, int]:
        with self._open(real) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest(), stat.S_IMODE(os.fstat(descriptor).st_mode)

    @contextmanager
    def _open(self, real: str) -> Iterator[int]:
        folder, _, name = real.rpartition("/")
        with self.directory(folder) as directory:
            descriptor = os.open(name, _FILE, dir_fd=directory)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


class HeldRoot(Root):
    """The root filesystem in an image or an archive; what is asked for is unpacked below `tree`, once."""

    def __init__(self, path: Path, holder: Holder, tree: Path) -> None:
        """`tree` is made when it is missing, and is for this root alone."""
        self.path, self.tree = path.absolute(), tree
        self.form = holder.form
        self.holder = holder

    def host_path(self, path: str) -> Path:
        """As in `Root`; unpacks it."""
        place = self.place(path)
        below = self.holder.members.below(place.path) if place.kind is Kind.DIRECTORY else ()
        lay_out(self.holder, [place.path, *(inner for inner, _member in below)], self.tree)
        return self.tree / place.path

    def cursor(self) -> AbstractContextManager[Cursor]:
        """As in `Root`."""
        return nullcontext(self.holder.members.cursor())

    def _entries(self, real: str) -> tuple[Place, ...]:
        members = self.holder.members
        paths = [joined(real, name) for name in members.names(real)]
        return tuple(Place(path=path, kind=member.kind, target=member.target)
                     for path in paths if (member := members.look(path)) is not None)  # fmt: skip

    def _read(self, real: str, limit: int) -> bytes:
        with self._file(real).open("rb") as stream:
            return stream.read(limit)

    def _digest(self, real: str) -> tuple[str, int]:
        member = self.holder.members.look(real)
        assert member is not None, "asked for a file that is there"
        return sha256_file(self._file(real)), member.mode

    def _file(self, real: str) -> Path:
        """A file, unpacked together with the small ones beside it: those are asked for next."""
        members, folder = self.holder.members, real.rpartition("/")[0]
        target, wanted = self.tree / real, members.look(real)
        if wanted is not None and os.path.lexists(target) and os.lstat(target).st_size == wanted.size:
            return target
        beside = [joined(folder, name) for name in members.names(folder)]
        small = [path for path in beside if (member := members.look(path)) is not None and member.size <= CONF_LIMIT]
        lay_out(self.holder, [real, *(path for path in small if path != real)], self.tree)
        return target


def _place(folder: str, entry: "os.DirEntry[str]", descriptor: int) -> Place:
    """By what the directory itself tells, where that is enough."""
    path = joined(folder, entry.name)
    if entry.is_file(follow_symlinks=False):
        return Place(path=path, kind=Kind.FILE)
    if entry.is_dir(follow_symlinks=False):
        return Place(path=path, kind=Kind.DIRECTORY)
    kind, target = look(entry.name, descriptor)
    return Place(path=path, kind=kind, target=target)
