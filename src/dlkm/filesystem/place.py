# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths of a root filesystem as its target follows them, whatever holds it: every link leads inside the root."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

MOST_LINKS = 40  # as many as the kernel follows (include/linux/namei.h: MAXSYMLINKS)


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


class BrokenPathError(Exception):
    """A path of the root that leads nowhere even for the target."""


class Cursor(Protocol):
    """A directory of the root, at first the root itself, from which one goes down and up again."""

    def look(self, name: str) -> tuple[Kind, str]:
        """What lies there under a name, and what it says where it is a link."""

    def enter(self, name: str) -> None:
        """Go into the directory of that name."""

    def leave(self) -> None:
        """Go back to the directory above; never called at the root."""


def parts(path: str) -> list[str]:
    """The names in a path."""
    return [part for part in path.split("/") if part not in {"", "."}]


def joined(folder: str, name: str) -> str:
    """A path from a directory's (empty for the root) and a name in it."""
    return f"{folder}/{name}" if folder else name


def walk(path: str, cursor: Cursor, *, follow: bool = True) -> Place:
    """Where a path leads; what is missing is named as it would be made. `follow` says whether a last link counts.

    BrokenPathError for a loop of links and for a path that goes through something that is no directory.
    """
    return _Walk(cursor).go(path, follow=follow)


class _Walk:
    """One walk from the root: the names so far, and how many of them are directories that the cursor is in."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._names: list[str] = []
        self._entered = 0

    def go(self, path: str, *, follow: bool) -> Place:
        todo = deque(parts(path))
        links = 0
        place = Place(path="", kind=Kind.DIRECTORY)
        while todo:
            part = todo.popleft()
            if part == "..":
                self._back()
                place = self._here()
                continue
            place = self._look(part)
            if place.kind is Kind.LINK and (follow or todo):
                links += 1
                if links > MOST_LINKS:
                    raise BrokenPathError("links lead in a circle")
                todo.extendleft(reversed(parts(place.target)))
                self._restart(place.target)
                place = self._here()
                continue
            self._enter(part, place, last=not todo)
        return place

    def _here(self) -> Place:
        return Place(path="/".join(self._names), kind=Kind.DIRECTORY)

    def _look(self, part: str) -> Place:
        path = "/".join((*self._names, part))
        if self._entered < len(self._names):
            return Place(path=path, kind=Kind.MISSING)
        kind, target = self._cursor.look(part)
        return Place(path=path, kind=kind, target=target)

    def _enter(self, part: str, place: Place, *, last: bool) -> None:
        if place.kind is Kind.DIRECTORY:
            self._cursor.enter(part)
            self._entered += 1
        elif place.kind is not Kind.MISSING and not last:
            raise BrokenPathError(f"{place.path} is no directory")
        self._names.append(part)

    def _back(self) -> None:
        if self._names:
            self._names.pop()
        if self._entered > len(self._names):
            self._cursor.leave()
            self._entered -= 1

    def _restart(self, target: str) -> None:
        if target.startswith("/"):
            while self._names:
                self._back()
