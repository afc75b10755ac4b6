# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem as it will be once operations are carried out: another root with these on top. Changes nothing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dlkm.filesystem.place import Cursor, Kind, Place, joined
from dlkm.rootfs.plan import Action, Operation
from dlkm.rootfs.root import Root


class Overlay:
    """Operations by their paths and by the directories they are in; a plan may still grow."""

    def __init__(self) -> None:
        self._by_path: dict[str, Operation] = {}
        self._by_folder: dict[str, set[str]] = {}  # directory → the names that lead to operations in it or below

    def put(self, operation: Operation) -> None:
        """One more, or another for the same path."""
        self._by_path[operation.path] = operation
        path = operation.path
        while path:
            folder, _, name = path.rpartition("/")
            self._by_folder.setdefault(folder, set()).add(name)
            path = folder

    def drop(self, path: str) -> None:
        """Nothing is to be done there after all."""
        self._by_path.pop(path, None)

    def get(self, path: str) -> Operation | None:
        """What is to be done at a path."""
        return self._by_path.get(path)

    def in_folder(self, folder: str) -> Iterator[Operation]:
        """What is to be done directly in a directory."""
        for name in self._by_folder.get(folder, ()):
            operation = self._by_path.get(joined(folder, name))
            if operation is not None:
                yield operation

    def touches(self, folder: str) -> bool:
        """Whether anything is to be done in a directory or below it."""
        return folder in self._by_folder


class PlannedRoot(Root):
    """What `base` will be."""

    def __init__(self, base: Root, operations: Overlay) -> None:
        self.path, self.tree, self.form = base.path, base.tree, base.form
        self.base = base
        self._operations = operations

    def host_path(self, path: str) -> Path:
        """As in `Root`; of a directory, as it lies there now."""
        place = self.place(path)
        operation = self._operations.get(place.path)
        if operation is None or operation.action is Action.MKDIR:
            return self.base.host_path(place.path)
        content = operation.content
        assert content is not None, "asked for what will be there"
        assert content.source is not None, "asked for a file that somebody will write"
        return content.source.absolute()

    def is_as_it_lies(self, real: str) -> bool:
        """As in `Root`."""
        return not self._operations.touches(real)

    def cursor(self) -> AbstractContextManager[Cursor]:
        """As in `Root`."""
        return self._over(self.base.cursor())

    @contextmanager
    def _over(self, base: AbstractContextManager[Cursor]) -> Iterator[Cursor]:
        with base as cursor:
            yield _Over(cursor, self._operations)

    def _entries(self, real: str) -> tuple[Place, ...]:
        is_new = self._operations.get(real) is not None
        if not is_new and not self._operations.touches(real):
            return self.base.listing(real)
        found = {place.path: place for place in self.base.entries(real)}
        for operation in self._operations.in_folder(real):
            kind, target = _what(operation)
            found[operation.path] = Place(path=operation.path, kind=kind, target=target)
        return tuple(found[path] for path in sorted(found) if found[path].kind is not Kind.MISSING)

    def _read(self, real: str, limit: int) -> bytes:
        operation = self._operations.get(real)
        if operation is None or operation.content is None:
            return self.base.read(real, limit) or b""
        content = operation.content
        if content.source is None:
            return content.data[:limit]
        with content.source.open("rb") as stream:
            return stream.read(limit)

    def _digest(self, real: str) -> tuple[str, int]:
        operation = self._operations.get(real)
        if operation is None or operation.content is None:
            return self.base.digest(real)
        return operation.content.sha256, operation.content.mode


class _Over:
    """A cursor of the root below, with what will be there on top."""

    def __init__(self, base: Cursor, operations: Overlay) -> None:
        self._base, self._operations = base, operations
        self._at = [""]
        self._below = 0  # of the directories gone into, those that are not there yet

    def look(self, name: str) -> tuple[Kind, str]:
        operation = self._operations.get(joined(self._at[-1], name))
        if operation is not None:
            return _what(operation)
        return (Kind.MISSING, "") if self._below else self._base.look(name)

    def enter(self, name: str) -> None:
        if self._below or self._base.look(name)[0] is not Kind.DIRECTORY:
            self._below += 1
        else:
            self._base.enter(name)
        self._at.append(joined(self._at[-1], name))

    def leave(self) -> None:
        if self._below:
            self._below -= 1
        else:
            self._base.leave()
        self._at.pop()


def _what(operation: Operation) -> tuple[Kind, str]:
    if operation.action is Action.MKDIR:
        return Kind.DIRECTORY, ""
    if operation.content is None:
        return Kind.MISSING, ""
    return (Kind.LINK, operation.content.link) if operation.content.link else (Kind.FILE, "")
