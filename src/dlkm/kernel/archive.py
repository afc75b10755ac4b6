# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives of any origin (.deb, .rpm, tar, cpio) written below a directory, and never outside it. Knows no kernel.

libarchive unpacks; every name, link and size is looked at here before anything is written. Links are written as they
are but never followed, devices and pipes are left out, owners and special permissions too.
"""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from dlkm.core.errors import MalformedError
from dlkm.core.files import cannot_write, open_regular
from dlkm.filesystem import library

LIMIT = 8 << 30  # bytes that an archive may unpack to; a kernel with all debug information takes 5
ENTRIES = 400_000  # files in an archive; a kernel's full source has 80,000
DEPTH = 64  # directories in one another
_BLOCK = 1 << 20
_AR, _AR_HEADER = b"!<arch>\n", 60
_FILL = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an archive may hold."""

    size: int = LIMIT
    entries: int = ENTRIES


class Kind(StrEnum):
    """What an entry of an archive is; a hard link is a FILE."""

    FILE = "file"
    LINK = "link"
    DIRECTORY = "directory"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as the archive has it; `mode` the permission bits, `target` a symbolic link's text."""

    name: str
    kind: Kind
    mode: int
    target: str = ""


def everything(_name: str) -> bool:
    """The choice that leaves nothing out."""
    return True


def unpack(
    path: Path,
    into: Path,
    wanted: Callable[[str], bool] = everything,
    limits: Limits = Limits(),
    *,
    of: str = "data",
) -> tuple[Entry, ...]:
    """Unpack the files (in a .deb: of its part `of`) whose name is wanted (relative, no "./").

    What they are, each name once, its last entry.

    MalformedError when it is no archive, is damaged, holds more than the limits, or names what lies outside `into`.
    """
    into.mkdir(parents=True, exist_ok=True)
    writer = _Writer(path, into, limits)
    written: dict[str, Entry] = {}
    with _entries(path, of) as entries:
        for entry in entries:
            name = _relative(entry.pathname, path)
            if name and wanted(name):
                writer.write(entry, name)
                written[name] = _entry(entry, name)
    return tuple(written.values())


def names_in(path: Path, limit: int = ENTRIES) -> Iterator[str]:
    """The names in an archive, one after the other: who stops early does not read the rest."""
    with _entries(path) as entries:
        for number, entry in enumerate(entries):
            if number >= limit:
                raise MalformedError(f"{path}: holds more than {limit} files")
            yield _relative(entry.pathname, path)


def member(path: Path, name: str, limit: int, *, of: str = "data") -> bytes | None:
    """The bytes of one file in an archive (in a .deb: of its part `of`); None when it is not there."""
    with _entries(path, of) as entries:
        for entry in entries:
            if _relative(entry.pathname, path) == name and entry.isreg:
                found = b""
                for block in entry.get_blocks(_BLOCK):
                    found += block
                    if len(found) > limit:
                        raise MalformedError(f"{path}: {name} is larger than {limit} bytes")
                return found
    return None


@contextmanager
def _entries(path: Path, of: str = "data") -> Iterator[Any]:
    """The archive's entries; errors of the library as ours."""
    libarchive = library.libarchive()
    from libarchive.exception import ArchiveError

    with open_regular(path) as stream:
        part = _part(stream, path, of)
        try:
            with libarchive.stream_reader(part, block_size=_BLOCK) as entries:
                yield entries
        except (ArchiveError, UnicodeError, ValueError) as error:
            reason = (error.msg or "it is damaged or cut off") if isinstance(error, ArchiveError) else error
            raise MalformedError(f"{path}: is no archive that can be read: {_text(reason)}") from error


class _Part:
    """Some bytes of a file as a stream: what follows them is none of a decompressor's business."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream, self._left = stream, size
        stream.seek(start)

    def readinto(self, buffer: Any) -> int:
        """As io.RawIOBase."""
        data = self._stream.read(min(self._left, len(buffer)))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def seekable(self) -> bool:
        """Never: it is read once, from its beginning."""
        return False


def _part(stream: BinaryIO, path: Path, of: str) -> _Part:
    """The tar in a .deb (an ar archive, deb(5)); the whole of any other file."""
    start = stream.read(len(_AR))
    if not start:
        raise MalformedError(f"{path}: is empty")
    if start != _AR:
        return _Part(stream, 0, os.fstat(stream.fileno()).st_size)
    place = len(_AR)
    for _ in range(16):
        stream.seek(place)
        header = stream.read(_AR_HEADER)
        size = header[48:58].strip()
        if len(header) < _AR_HEADER or not size.isdigit():
            break
        if header[:16].startswith(f"{of}.tar".encode()):
            return _Part(stream, place + _AR_HEADER, int(size))
        place += _AR_HEADER + int(size) + int(size) % 2
    raise MalformedError(f"{path}: is no Debian package: it has no part {of}.tar")


def _entry(entry: Any, name: str) -> Entry:
    kind = Kind.DIRECTORY if entry.isdir else Kind.LINK if entry.issym else Kind.OTHER
    if entry.isreg or entry.islnk:
        kind = Kind.FILE
    target = _text(entry.linkpath) if kind is Kind.LINK else ""
    return Entry(name=name, kind=kind, mode=stat.S_IMODE(entry.mode), target=target)


def _text(reason: object) -> str:
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _relative(raw: object, path: Path) -> str:
    """A name as it is written below the directory; MalformedError for one that leads out of it."""
    name = raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else str(raw or "")
    pure = PurePosixPath(name.lstrip("/"))
    if ".." in pure.parts or "\0" in name:
        raise MalformedError(f"{path}: holds {name[:80]!r}, which leads outside: nothing of it is used")
    if len(pure.parts) > DEPTH:
        raise MalformedError(f"{path}: more than {DEPTH} directories in one another")
    return "" if str(pure) == "." else str(pure)


class _Writer:
    """Writes entries below a directory."""

    def __init__(self, path: Path, into: Path, limits: Limits) -> None:
        self._path, self._into, self._limits = path, into, limits
        self._left = limits.size
        self._folders = {""}
        self._now = int(time.time())
        self.number = 0

    def write(self, entry: Any, name: str) -> None:
        """One entry; what lies in its place and is no directory goes."""
        self.number += 1
        if self.number > self._limits.entries:
            raise MalformedError(f"{self._path}: holds more than {self._limits.entries} files")
        target = self._into / name
        try:
            self._place(entry, name, target)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise MalformedError(f"{self._path}: {name!r} is two things at once") from error
        except OSError as error:
            if error.errno in {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}:
                raise MalformedError(f"{self._path}: {name[:80]!r}: {error.strerror}") from error
            raise cannot_write(target, error) from error

    def _place(self, entry: Any, name: str, target: Path) -> None:
        if entry.isdir:
            self._folder(name)
            return
        self._folder(name.rpartition("/")[0])
        if entry.islnk:
            self._hard_link(entry, target)
        elif entry.issym:
            target.unlink(missing_ok=True)
            self._link(_text(entry.linkpath), target)
        elif entry.isreg:
            target.unlink(missing_ok=True)
            self._file(entry, target)

    def _folder(self, name: str) -> None:
        """The directory and all above it: real ones, so that nothing is written through a link."""
        if name in self._folders:
            return
        self._folder(name.rpartition("/")[0])
        path = self._into / name
        if path.is_symlink():
            raise MalformedError(f"{self._path}: would write through the link {name!r}: nothing of it is used")
        path.mkdir(exist_ok=True)
        self._folders.add(name)

    def _link(self, text: str, target: Path) -> None:
        if not text or "\0" in text:
            raise MalformedError(f"{self._path}: {str(target.relative_to(self._into))!r} is a link to nothing")
        target.symlink_to(text)

    def _hard_link(self, entry: Any, target: Path) -> None:
        source = _relative(entry.linkpath, self._path)
        self._folder(source.rpartition("/")[0])
        first = self._into / source
        if first.is_file() and not first.is_symlink() and first != target:
            target.unlink(missing_ok=True)
            os.link(first, target, follow_symlinks=False)
            if entry.size:  # cpio, and with it .rpm, has the bytes with the last of several names
                self._fill(entry, os.open(target, _FILL))

    def _file(self, entry: Any, target: Path) -> None:
        self._fill(entry, os.open(target, _FILL | os.O_CREAT | os.O_EXCL, 0o600))

    def _fill(self, entry: Any, descriptor: int) -> None:
        mode = 0o755 if entry.mode & 0o100 else 0o644
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            for block in entry.get_blocks(min(max(int(entry.size or 0), 4096), _BLOCK)):
                self._left -= len(block)
                if self._left < 0:
                    raise MalformedError(f"{self._path}: unpacks to more than {self._limits.size} bytes")
                stream.write(block)
            os.fchmod(stream.fileno(), mode)
            self._date(entry, stream.fileno())

    def _date(self, entry: Any, descriptor: int) -> None:
        # make compares these times; one in the future would make it build for ever anew.
        when = min(max(int(entry.mtime or 0), 0), self._now)
        with suppress(OSError):
            os.utime(descriptor, (when, when))
