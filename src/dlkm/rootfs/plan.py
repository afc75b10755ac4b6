# SPDX-License-Identifier: GPL-2.0-or-later
"""What will be done to a root filesystem, as data; the drawing up looks at the root and changes nothing."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.files import sha256_file
from dlkm.rootfs.root import Kind, Place, Root

FILE_MODE = 0o644
DIRECTORY_MODE = 0o755


class Action(StrEnum):
    """What one operation does."""

    MKDIR = "mkdir"
    WRITE = "write"  # a file where nothing was
    REPLACE = "replace"  # a file in place of another, or of a link
    REMOVE = "remove"


def digest_of(path: Path) -> str:
    """The SHA-256 of a file that is to be staged; UsageError when it cannot be read, or is gone by now."""
    try:
        return sha256_file(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file's bytes, either here (`data`) or in a file outside the root (`source`), pinned by their SHA-256.

    `mode` are its permission bits. A symbolic link has its text in `link`, and nothing else.
    """

    sha256: str
    data: bytes = b""
    source: Path | None = None
    mode: int = FILE_MODE
    link: str = ""

    @classmethod
    def of(cls, what: bytes | Path, mode: int = FILE_MODE) -> "Content":
        """From bytes, or from a file that is read now for its digest and again when it is copied.

        UsageError for a file that cannot be read.
        """
        if isinstance(what, Path):
            return cls(sha256=digest_of(what), source=what, mode=mode)
        return cls(sha256=hashlib.sha256(what).hexdigest(), data=what, mode=mode)

    @classmethod
    def to(cls, target: str) -> "Content":
        """A symbolic link."""
        return cls(sha256=hashlib.sha256(target.encode()).hexdigest(), link=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change. `path` is relative to the root and goes through no link.

    `before` is what a record needs to take it back: the SHA-256 of the file that goes, or `-> TARGET` of a link.
    """

    action: Action
    path: str
    content: Content | None = None
    before: str | None = None

    @property
    def sha256(self) -> str | None:
        """The digest of what will lie there."""
        return self.content.sha256 if self.content is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that will be done, in this order; empty when the root already is as wanted."""

    operations: tuple[Operation, ...] = ()


class Planner:
    """Collects what is wanted and says which operations lead there; what is there already needs none."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._folders: dict[str, Operation] = {}
        self._files: dict[str, Operation] = {}
        self.warnings: list[str] = []

    def write(self, path: str, content: Content) -> str:
        """Want a file with this content; where it will lie. A link in its place is replaced, not followed.

        MalformedError when a directory or a device lies there.
        """
        folder, _, name = path.rpartition("/")
        real_folder = self._root.place(folder)
        if real_folder.kind not in {Kind.DIRECTORY, Kind.MISSING}:
            raise MalformedError(f"{self._root.path}/{real_folder.path}: is no directory, and {name} has to go there")
        place = self._root.place(f"{real_folder.path}/{name}", follow=False)
        operation = self._operation(place, content)
        if operation is not None:
            self._want_folder(real_folder)
            self._files[place.path] = operation
        return place.path

    def remove(self, place: Place) -> None:
        """Want a file or link gone."""
        before = f"-> {place.target}" if place.kind is Kind.LINK else self._root.digest(place.path)[0]
        self._files.setdefault(place.path, Operation(action=Action.REMOVE, path=place.path, before=before))

    def plan(self) -> Plan:
        """The operations: directories from the top down, then files in the order they were asked for."""
        return Plan(operations=(*self._folders.values(), *self._files.values()))

    def _operation(self, place: Place, content: Content) -> Operation | None:
        if place.kind is Kind.MISSING:
            return Operation(action=Action.WRITE, path=place.path, content=content)
        if place.kind is Kind.LINK and content.link:
            same = place.target == content.link
            before = f"-> {place.target}"
            return None if same else Operation(action=Action.REPLACE, path=place.path, content=content, before=before)
        if place.kind is Kind.LINK:
            self.warnings.append(f"{place.path} is a link to {place.target}; it is replaced by a file, not followed")
            return Operation(action=Action.REPLACE, path=place.path, content=content, before=f"-> {place.target}")
        if place.kind is not Kind.FILE:
            raise MalformedError(f"{self._root.path}/{place.path}: is no regular file, and one has to go there")
        digest, mode = self._root.digest(place.path)
        if not content.link and (digest, mode) == (content.sha256, content.mode):
            return None
        return Operation(action=Action.REPLACE, path=place.path, content=content, before=digest)

    def _want_folder(self, place: Place) -> None:
        parts = place.path.split("/") if place.path else []
        for length in range(1, len(parts) + 1):
            path = "/".join(parts[:length])
            if path not in self._folders and self._root.place(path, follow=False).kind is Kind.MISSING:
                self._folders[path] = Operation(action=Action.MKDIR, path=path)
