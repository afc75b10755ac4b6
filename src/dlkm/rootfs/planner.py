# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws up what has to be done to a root filesystem so that it is as wanted; looks at it and changes nothing."""

from dlkm.core.errors import MalformedError
from dlkm.filesystem.place import joined
from dlkm.rootfs.plan import Action, Content, Operation, Plan
from dlkm.rootfs.planned import Overlay, PlannedRoot
from dlkm.rootfs.root import Kind, Place, Root


class Planner:
    """Collects what is wanted and says which operations lead there; what is there already needs none.

    `after` is the root as it will be, by what has been collected so far.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._folders: dict[str, Operation] = {}
        self._files: dict[str, Operation] = {}
        self._all = Overlay()
        self._wanted: set[str] = set()
        self.after = PlannedRoot(root, self._all)
        self.warnings: list[str] = []

    def write(self, path: str, content: Content) -> str:
        """Want a file with this content; where it will lie. A link in its place is replaced, not followed.

        MalformedError when a directory or a device lies there.
        """
        folder, _, name = path.rpartition("/")
        real_folder = self._folder(folder, name)
        place = self._root.place(joined(real_folder.path, name), follow=False)
        if place.kind is Kind.MISSING and self.after.place(place.path, follow=False).kind is Kind.DIRECTORY:
            raise MalformedError(f"{self._root.path}/{place.path}: will be a directory, and a file has to go there")
        operation = self._operation(place, content)
        self._wanted.add(place.path)
        if operation is not None:
            self._want_folder(real_folder)
            self._files[place.path] = operation
            self._all.put(operation)
        else:  # what was wanted before is not wanted any more
            self._files.pop(place.path, None)
            self._all.drop(place.path)
        return place.path

    def make_folder(self, path: str) -> None:
        """Want a directory; MalformedError when something else lies there."""
        self._want_folder(self._folder(path, "what is in it"))

    def remove(self, place: Place) -> None:
        """Want a file or link gone."""
        before = f"-> {place.target}" if place.kind is Kind.LINK else self._root.digest(place.path)[0]
        operation = Operation(action=Action.REMOVE, path=place.path, before=before)
        self._files[place.path] = operation
        self._all.put(operation)

    @property
    def wanted(self) -> frozenset[str]:
        """The files that were asked for, be there anything to do for them or not."""
        return frozenset(self._wanted)

    def plan(self) -> Plan:
        """The operations: directories from the top down, then files in the order they were asked for."""
        return Plan(operations=(*self._folders.values(), *self._files.values()))

    def _folder(self, path: str, what: str) -> Place:
        place = self.after.place(path)
        if place.kind not in {Kind.DIRECTORY, Kind.MISSING}:
            raise MalformedError(f"{self._root.path}/{place.path}: is no directory, and {what} has to go there")
        return place

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
            if self.after.place(path, follow=False).kind is Kind.MISSING:
                if self._root.place(path, follow=False).kind is not Kind.MISSING:
                    raise MalformedError(f"{self._root.path}/{path}: is to go, and a directory cannot take its place")
                self._folders[path] = Operation(action=Action.MKDIR, path=path)
                self._all.put(self._folders[path])
