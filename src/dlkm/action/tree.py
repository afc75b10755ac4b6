# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories by content: a Merkle tree whose root's digest names all that is below. Touches no file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.action import wire
from dlkm.action.digest import Digest, digest_of

Keep = Callable[[Digest, bytes], None]


def forget(_digest: Digest, _data: bytes) -> None:
    """For who only wants the root's digest."""


@dataclass(slots=True)
class Folder:
    """A directory being put together; a sub-directory may be known by its digest alone."""

    files: dict[str, tuple[Digest, bool]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: "dict[str, Folder | Digest]" = field(default_factory=dict)

    def put_file(self, place: str, digest: Digest, *, executable: bool = False) -> None:
        """A file at a relative path; directories on the way are made."""
        parent, name = self._parent(place)
        parent.files[name] = (digest, executable)

    def put_link(self, place: str, target: str) -> None:
        """A symbolic link."""
        parent, name = self._parent(place)
        parent.links[name] = target

    def put_folder(self, place: str, folder: "Folder | Digest | None" = None) -> None:
        """A directory: an empty one, one put together, or one known by its digest."""
        parent, name = self._parent(place)
        if folder is None:
            parent.folders.setdefault(name, Folder())
        else:
            parent.folders[name] = folder

    def _parent(self, place: str) -> "tuple[Folder, str]":
        *way, name = place.split("/")
        here = self
        for step in way:
            there = here.folders.setdefault(step, Folder())
            assert isinstance(there, Folder), f"{place} lies in what is known by its digest alone"
            here = there
        return here, name

    def digest(self, keep: Keep = forget) -> Digest:
        """The root's digest; `keep` gets every directory's message, those below first."""
        known = {
            name: below if isinstance(below, Digest) else below.digest(keep) for name, below in self.folders.items()
        }
        data = wire.directory(self.files, known, self.links)
        own = digest_of(data)
        keep(own, data)
        return own


@dataclass(slots=True)
class Blobs:
    """What names what: the bytes of messages and small files, and the places of files on disk."""

    data: dict[Digest, bytes] = field(default_factory=dict)
    paths: dict[Digest, Path] = field(default_factory=dict)

    def keep(self, digest: Digest, data: bytes) -> None:
        """Take bytes."""
        self.data[digest] = data

    def put(self, data: bytes) -> Digest:
        """Take bytes; their digest."""
        digest = digest_of(data)
        self.data[digest] = data
        return digest

    def __or__(self, other: "Blobs") -> "Blobs":
        return Blobs(self.data | other.data, self.paths | other.paths)
