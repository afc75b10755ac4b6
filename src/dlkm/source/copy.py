# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies a driver's source directory to where it is built. Reads the source, never writes there, follows no loop."""

import os
import shutil
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.errors import MalformedError, MissingToolError
from dlkm.core.files import cannot_write
from dlkm.source.leftovers import left_out

DEPTH_LIMIT = 200  # directories in one another; the deepest driver known has 14
SYSTEM = ("/usr/", "/lib/")  # a link there means the machine's own, which in the sandbox is the target's


@dataclass(slots=True)
class _Copier:
    source: Path
    target: Path
    leave_out: frozenset[tuple[int, int]]  # device and inode of directories
    now: float
    warnings: list[str] = field(default_factory=list)

    def run(self) -> None:
        waiting = [("", 0)]
        while waiting:
            place, depth = waiting.pop()
            if depth > DEPTH_LIMIT:
                raise MalformedError(f"{self.source}: more than {DEPTH_LIMIT} directories in one another")
            (self.target / place).mkdir(mode=0o755, exist_ok=depth == 0)
            waiting += [(folder, depth + 1) for folder in self._copy_folder(place)]

    def _copy_folder(self, place: str) -> list[str]:
        """Copy what lies directly in one directory; the directories in it, for later."""
        folder = self.source / place
        with os.scandir(folder) as entries:
            found = {entry.name: entry for entry in entries}
        skipped = left_out(folder, found.keys())
        folders = []
        for name in sorted(found.keys() - skipped):
            entry, inner = found[name], os.path.join(place, name)  # noqa: PTH118 — Path("") / name costs ten times more
            if entry.is_symlink():
                self._copy_link(inner)
            elif entry.is_dir():
                if not self._is_left_out(entry):
                    folders.append(inner)
            elif entry.is_file():
                self._copy_file(folder / name, self.target / inner)
            # Sockets, fifos and devices are no source: reading one may block for ever.
        return folders

    def _is_left_out(self, entry: "os.DirEntry[str]") -> bool:
        status = entry.stat(follow_symlinks=False)
        return (status.st_dev, status.st_ino) in self.leave_out

    def _copy_file(self, source: Path, target: Path) -> None:
        shutil.copyfile(source, target)
        status = source.stat()
        target.chmod(0o755 if status.st_mode & stat.S_IXUSR else 0o644)
        # A time in the future would make `make` warn of clock skew and build for ever anew.
        when = min(status.st_mtime, self.now)
        os.utime(target, (when, when))

    def _copy_link(self, place: str) -> None:
        link = self.source / place
        text = str(link.readlink())
        try:
            real = link.resolve(strict=True)
        except (OSError, RuntimeError):
            (self.target / place).symlink_to(text)  # dangling or a loop, there as here
            return
        if real.is_relative_to(self.source):
            inside = os.path.relpath(real, link.parent.resolve())
            (self.target / place).symlink_to(text if self._stays_inside(link, text) else inside)
        elif real.is_file():
            self._copy_file(real, self.target / place)
        else:
            self._copy_outside_link(place, text)

    def _stays_inside(self, link: Path, text: str) -> bool:
        """Whether the way of a link never leaves the source, not even to come back: the copy has another name."""
        depth = len(link.parent.relative_to(self.source).parts)
        for step in Path(text).parts:
            depth += -1 if step == ".." else 1
            if depth < 0:
                return False
        return not text.startswith("/")

    def _copy_outside_link(self, place: str, text: str) -> None:
        if text.startswith("/") and not text.startswith(SYSTEM):
            text = f"/nonexistent{text}"
        (self.target / place).symlink_to(text)
        self.warnings.append(f"{place}: links to {text}, outside the source directory, which is not copied")


def copy_source(source: Path, target: Path, leave_out: Collection[Path] = ()) -> tuple[str, ...]:
    """Copy a source directory to `target`, without version control, earlier products and the directories named.

    Links that stay inside remain links; one to a regular file outside becomes its content; one to a directory outside
    dangles. Returns warnings. MalformedError for a tree too deep; MissingToolError when something cannot be read.
    """
    identities = frozenset(_identities(leave_out))
    copier = _Copier(source=source.resolve(), target=target, leave_out=identities, now=time.time())
    try:
        copier.run()
    except OSError as error:
        if error.filename is not None and str(error.filename).startswith(str(target)):
            raise cannot_write(Path(error.filename), error) from error
        raise MissingToolError(f"cannot copy {error.filename or source}: {error.strerror or error}") from error
    return tuple(copier.warnings)


def _identities(folders: Collection[Path]) -> list[tuple[int, int]]:
    found = []
    for folder in folders:
        if folder.is_dir():
            status = folder.stat()
            found.append((status.st_dev, status.st_ino))
    return found
