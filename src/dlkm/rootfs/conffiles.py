# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories of configuration (modprobe.d, modules-load.d, depmod.d): which files a tool reads, and why not others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dlkm.core.errors import MalformedError
from dlkm.rootfs.root import CONF_LIMIT, Kind, Place, Root

MOST_FILES = 10_000
MOST_BYTES = 64 << 20  # of all files of one kind
SUFFIXES = (".conf",)
_MASK = "dev/null"


class Standing(StrEnum):
    """What becomes of a file."""

    READ = "read"
    HIDDEN = "hidden"  # a file of the same name in an earlier directory is read in its place
    SUFFIX = "suffix"  # the tool takes no file with such a name
    FOLDER = "folder"  # a directory, which is not looked into
    DANGLING = "dangling"  # a link that leads nowhere
    NO_FILE = "no file"  # a FIFO or a device: the tool would wait for it, or read without end


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfFile:
    """One file of such a directory. `path` is as the tool names it, without the leading '/'.

    `by` is the file that hides it; `data` is read of files that are read or hidden, `whole` says whether all of it was.
    """

    path: str
    standing: Standing
    data: bytes = b""
    by: str = ""
    whole: bool = True

    @property
    def name(self) -> str:
        """The file's name, by which files hide and follow each other."""
        return self.path.rpartition("/")[2]


def survey(root: Root, folders: Sequence[str], suffixes: Sequence[str] = SUFFIXES) -> tuple[ConfFile, ...]:
    """All that lies in these directories, hidden names (".…") apart; those that are read first, in their order.

    A directory that is the same as an earlier one (merged /usr) counts once. Source: libkmod/libkmod-config.c:
    conf_files_list; systemd src/basic/conf-files.c. MalformedError for more files or bytes than anyone has.
    """
    found: list[ConfFile] = []
    taken: dict[str, str] = {}
    left = MOST_BYTES
    for path, place in _entries(root, folders):
        one = _standing(root, path, place, suffixes, taken)
        left -= len(one.data)
        if len(found) >= MOST_FILES or left < 0:
            raise MalformedError(f"{root.path}/{path}: more configuration than anyone has, nothing of it was read")
        found.append(one)
    return tuple(sorted(found, key=lambda one: (one.standing is not Standing.READ, one.name)))


def read_files(root: Root, folders: Sequence[str], suffixes: Sequence[str] = SUFFIXES) -> tuple[ConfFile, ...]:
    """Those that a tool reads, in the order in which it does."""
    return tuple(one for one in survey(root, folders, suffixes) if one.standing is Standing.READ)


def _entries(root: Root, folders: Sequence[str]) -> Iterator[tuple[str, Place]]:
    seen: set[str] = set()
    for folder in folders:
        real = root.place(folder)
        if real.kind is not Kind.DIRECTORY or real.path in seen:
            continue
        seen.add(real.path)
        for entry in root.entries(real.path):
            name = entry.path.rpartition("/")[2]
            if not name.startswith("."):
                yield f"{folder}/{name}", entry


def _standing(root: Root, path: str, entry: Place, suffixes: Sequence[str], taken: dict[str, str]) -> ConfFile:
    name = path.rpartition("/")[2]
    place = _followed(root, path, entry)
    if place is not None and place.kind is Kind.DIRECTORY:
        return ConfFile(path=path, standing=Standing.FOLDER)
    if not name.endswith(tuple(suffixes)):
        return ConfFile(path=path, standing=Standing.SUFFIX)
    first = taken.setdefault(name, path)
    if first != path:
        data = root.read(path) or b"" if place is not None and place.kind is Kind.FILE else b""
        return ConfFile(path=path, standing=Standing.HIDDEN, by=first, data=data)
    if place is not None and place.kind is Kind.FILE:
        data = root.read(path, CONF_LIMIT + 1) or b""
        return ConfFile(path=path, standing=Standing.READ, data=data[:CONF_LIMIT], whole=len(data) <= CONF_LIMIT)
    if place is not None and place.path == _MASK:  # the way to mask a file of the distribution's
        return ConfFile(path=path, standing=Standing.READ)
    nowhere = place is None or place.kind is Kind.MISSING
    return ConfFile(path=path, standing=Standing.DANGLING if nowhere else Standing.NO_FILE)


def _followed(root: Root, path: str, entry: Place) -> Place | None:
    """Where a path leads; None for links in a circle and the like."""
    if entry.kind is not Kind.LINK:
        return entry
    try:
        return root.place(path)
    except MalformedError:
        return None
