# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file that is a root filesystem holds, as values: its members by path, and the protocol to get their bytes."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from dlkm.core.errors import MalformedError
from dlkm.core.files import cannot_write
from dlkm.filesystem.place import BrokenPathError, Kind, joined, parts, walk

MOST_MEMBERS = 1_000_000  # a desktop's root filesystem has 400,000
MOST_LEVELS = 64  # directories in one another
LONGEST_NAME = 255  # bytes, on every file system of Linux
LONGEST_TARGET = 4096  # bytes that a link may say (PATH_MAX)
LIMIT = 8 << 30  # bytes that may be unpacked of it; a kernel with all debug information takes 5

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}


class Form(StrEnum):
    """What holds a root filesystem."""

    DIRECTORY = "directory"
    EXT = "ext4"  # and its forebears
    TAR = "tar"
    CPIO = "cpio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file, directory, link or device. `mode` are the permission bits, `key` is where its holder finds it.

    `target` is what a symbolic link says. Members that are hard links of one file have one `key`.
    """

    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    key: int = 0
    target: str = ""


class Holder(Protocol):
    """An open image or archive; reading it changes nothing."""

    @property
    def form(self) -> Form:
        """What it is."""

    @property
    def members(self) -> "Members":
        """All that it holds."""

    def fetch(self, files: Mapping[str, Member], into: Path) -> None:
        """Write these regular files below `into`, where their directories exist; MalformedError for damaged data."""


class Members:
    """Members by path, as they lie once all is unpacked: a later one takes the place of an earlier one.

    A member whose directory is reached through a link lies where the link leads, inside the root.
    """

    def __init__(self, where: Path) -> None:
        """`where` is for messages."""
        self._where = where
        self._count = 0
        self._root = Member(kind=Kind.DIRECTORY, mode=0o755)
        self._folders: dict[str, dict[str, Member]] = {"": {}}
        self._known: dict[str, str] = {}

    def add(self, name: str, member: Member) -> str | None:
        """Put one in its place, which is returned; None for the root itself and for what cannot lie there.

        A directory that holds something stays when something else of its name comes: so do the kernel's initramfs and
        tar. MalformedError for a name that leads outside, is too long or lies below what is no directory.
        """
        names = parts(name)
        if ".." in names or "\0" in name:
            raise MalformedError(f"{self._where}: holds {name[:80]!r}, which leads outside: nothing of it is used")
        if len(names) > MOST_LEVELS:
            raise MalformedError(f"{self._where}: more than {MOST_LEVELS} directories in one another")
        if not names:
            self._root = member if member.kind is Kind.DIRECTORY else self._root
            return None
        if len(names[-1].encode("utf-8", "surrogateescape")) > LONGEST_NAME:
            raise MalformedError(f"{self._where}: a name of more than {LONGEST_NAME} bytes: {name[:80]!r}")
        if member.kind is Kind.LINK and not 0 < len(member.target) < LONGEST_TARGET:
            raise MalformedError(f"{self._where}: {name!r} is a link of {len(member.target)} bytes")
        if "\0" in member.target:  # libarchive 3.7 passes it on, where 3.6 cut it off
            raise MalformedError(f"{self._where}: {name!r} is a link to a name with a zero byte")
        folder = self._folder("/".join(names[:-1]))
        return self._put(folder, names[-1], member)

    def place(self, name: str) -> str:
        """Where something of this name lies, or would: links on the way are followed, one in its place is not."""
        names = parts(name)
        return joined(self._folder("/".join(names[:-1])), names[-1]) if names else ""

    def look(self, path: str) -> Member | None:
        """What lies at a path, no link in it followed; the root itself at the empty one."""
        folder, _, name = path.rpartition("/")
        return self._folders.get(folder, {}).get(name) if path else self._root

    def names(self, folder: str) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(self._folders.get(folder, {}))

    def below(self, folder: str) -> Iterator[tuple[str, Member]]:
        """All that lies below a directory, each directory before what is in it."""
        for name in self.names(folder):
            path = joined(folder, name)
            member = self._folders[folder][name]
            yield path, member
            if member.kind is Kind.DIRECTORY:
                yield from self.below(path)

    def cursor(self) -> "MembersCursor":
        """For `walk`."""
        return MembersCursor(self)

    def _folder(self, path: str) -> str:
        if path not in self._known:
            self._known[path] = self._resolved(path)
        return self._known[path]

    def _resolved(self, path: str) -> str:
        try:
            place = walk(path, self.cursor())
        except BrokenPathError as error:
            raise MalformedError(f"{self._where}: {path[:200]!r}: {error}") from error
        if place.kind is Kind.MISSING:
            made = ""
            for name in place.path.split("/"):
                made = joined(made, name)
                if self.look(made) is None:
                    self._put(made.rpartition("/")[0], name, Member(kind=Kind.DIRECTORY, mode=0o755))
        elif place.kind is not Kind.DIRECTORY:
            raise MalformedError(f"{self._where}: {path[:200]!r} is no directory, and something lies below it")
        return place.path

    def _put(self, folder: str, name: str, member: Member) -> str | None:
        path = joined(folder, name)
        there = self._folders[folder].get(name)
        if there is None:
            self._count += 1
            if self._count > MOST_MEMBERS:
                raise MalformedError(f"{self._where}: holds more than {MOST_MEMBERS} files")
        elif there.kind is Kind.DIRECTORY and member.kind is not Kind.DIRECTORY:
            if self._folders[path]:
                return None
            del self._folders[path]
        if there is not None and there.kind is not member.kind:
            self._known.clear()
        if member.kind is Kind.DIRECTORY:
            self._folders.setdefault(path, {})
        self._folders[folder][name] = member
        return path


class MembersCursor:
    """Where a walk through members is."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._at: list[str] = [""]

    def look(self, name: str) -> tuple[Kind, str]:
        """As in `Cursor`."""
        member = self._members.look(joined(self._at[-1], name))
        return (Kind.MISSING, "") if member is None else (member.kind, member.target)

    def enter(self, name: str) -> None:
        """As in `Cursor`."""
        self._at.append(joined(self._at[-1], name))

    def leave(self) -> None:
        """As in `Cursor`."""
        self._at.pop()


def kind_of(mode: int) -> Kind:
    """By the type in st_mode."""
    return _KINDS.get(stat.S_IFMT(mode), Kind.OTHER)


def lay_out(holder: Holder, paths: Iterable[str], into: Path) -> None:
    """Write members as real directories, files and links below `into`; devices and pipes are left out.

    Files keep their permissions, but for set-user-id and the like, and who unpacks them may read them all the same.
    `paths` are members, each after the directories it lies in, which are made. Done again it makes what is missing.
    MalformedError for damaged data and for more than `LIMIT` bytes, StorageError for a full disk.
    """
    files: dict[str, Member] = {}
    try:
        into.mkdir(parents=True, exist_ok=True)
        for path in paths:
            member = holder.members.look(path)
            # Members' paths go through no link, so none is followed here.
            target = into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if member is None or os.path.lexists(target):
                continue
            if member.kind is Kind.DIRECTORY:
                target.mkdir()
            elif member.kind is Kind.LINK:
                target.symlink_to(member.target)
            elif member.kind is Kind.FILE:
                files[path] = member
        if sum(member.size for member in files.values()) > LIMIT:
            raise MalformedError(f"more than {LIMIT} bytes would be unpacked")
        if files:
            holder.fetch(files, into)
        for path, member in files.items():
            (into / path).chmod(0o600 | member.mode & 0o777)
    except OSError as error:
        raise cannot_write(into, error) from error
