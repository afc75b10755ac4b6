# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem for who looks at all of it: what cannot be followed or read is as if it were not there."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from dlkm.core.errors import MalformedError
from dlkm.filesystem.place import Cursor
from dlkm.rootfs.root import CONF_LIMIT, Kind, Place, Root, RootfsAccessError

_Seen = TypeVar("_Seen")


class Glance(Root):
    """Another root, of which one broken link or unreadable file says nothing of the rest.

    `unreadable` are the paths that the file system does not let us read, with the reason; `asked` all that were asked
    for, `files` those that lie in directories that were looked through.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self.path, self.tree, self.form = root.path, root.tree, root.form
        self.unreadable: dict[str, str] = {}
        self.asked: set[str] = set()
        self.files: list[str] = []

    def place(self, path: str, *, follow: bool = True) -> Place:
        """As in `Root`; MISSING for what leads nowhere."""
        found = self._noted(path, lambda: self._root.place(path, follow=follow))
        if found is None:
            return Place(path=path, kind=Kind.MISSING)
        self.asked.add(found.path)
        return found

    def listing(self, real: str) -> tuple[Place, ...]:
        """As in `Root`."""
        found = self._noted(real, lambda: self._root.listing(real)) or ()
        self.files += [one.path for one in found if one.kind is Kind.FILE]
        return found

    def read(self, path: str, limit: int = CONF_LIMIT) -> bytes | None:
        """As in `Root`."""
        return self._noted(path, lambda: self._root.read(path, limit))

    def digest(self, real: str) -> tuple[str, int]:
        """As in `Root`; of what cannot be read, one that no other file has."""
        return self._noted(real, lambda: self._root.digest(real)) or (f"unreadable: {real}", 0)

    def _noted(self, path: str, look: Callable[[], _Seen]) -> _Seen | None:
        """What a look gives; None for a path that is broken, or may not be looked at."""
        self.asked.add(path)
        try:
            return look()
        except MalformedError:
            return None
        except RootfsAccessError as error:
            self.unreadable[path] = error.what
            return None

    def grounds(self) -> Iterator[str]:
        """Where all that was asked for lies on this machine, with the directories above it: a link on the way is there.

        Of a root that is a directory.
        """
        asked = {above for path in self.asked for above in _with_those_above(path)}
        yield from (f"{self.tree}/{path}" for path in (*asked, *self.files))

    def host_path(self, path: str) -> Path:
        """As in `Root`."""
        return self._root.host_path(path)

    def is_as_it_lies(self, real: str) -> bool:
        """As in `Root`."""
        return self._root.is_as_it_lies(real)

    def cursor(self) -> AbstractContextManager[Cursor]:
        """As in `Root`."""
        return self._root.cursor()

    def _entries(self, real: str) -> tuple[Place, ...]:
        return self._root.entries(real)

    def _read(self, real: str, limit: int) -> bytes:
        return self._root.read(real, limit) or b""

    def _digest(self, real: str) -> tuple[str, int]:
        return self._root.digest(real)


def _with_those_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""
