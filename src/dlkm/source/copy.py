# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies a driver's source directory to where it is built. Reads the source, never writes there, follows no loop."""

import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlkm.core.errors import MalformedError, MissingToolError
from dlkm.core.files import cannot_write
from dlkm.source.leftovers import left_out

DEPTH_LIMIT = 200  # directories in one another; the deepest driver known has 14
SYSTEM = ("/usr/", "/lib/")  # a link there means the machine's own, which in the sandbox is the target's

# Every copied file is of this time, in seconds: what make takes for older than what must not depend on who checked the
# sources out, and when. A time in the future would make it build for ever anew.
WHEN = 315532800


@dataclass(frozen=True, slots=True)
class Entry:
    """What becomes one name of the copy: a directory, a link with its `text`, or the content of the file `source`."""

    place: str
    source: Path | None = None
    status: os.stat_result | None = None
    text: str | None = None

    @property
    def executable(self) -> bool:
        """Whether the copy of a file is to be executable."""
        return self.status is not None and bool(self.status.st_mode & stat.S_IXUSR)


@dataclass(frozen=True, slots=True)
class Listing:
    """What is to be copied of a source directory, directories before what is in them; and what is odd about it."""

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Lister:
    source: Path
    leave_out: frozenset[tuple[int, int]]  # device and inode of directories
    warnings: list[str] = field(default_factory=list)

    def run(self) -> Iterator[Entry]:
        waiting = [("", 0)]
        while waiting:
            place, depth = waiting.pop()
            if depth > DEPTH_LIMIT:
                raise MalformedError(f"{self.source}: more than {DEPTH_LIMIT} directories in one another")
            if place:
                yield Entry(place)
            for entry in self._in_folder(place):
                if entry.source is None and entry.text is None:
                    waiting.append((entry.place, depth + 1))
                else:
                    yield entry

    def _in_folder(self, place: str) -> Iterator[Entry]:
        """What lies directly in one directory."""
        folder = self.source / place
        with os.scandir(folder) as entries:
            found = {entry.name: entry for entry in entries}
        skipped = left_out(folder, found.keys())
        for name in sorted(found.keys() - skipped):
            entry, inner = found[name], os.path.join(place, name)  # noqa: PTH118 — Path("") / name costs ten times more
            if entry.is_symlink():
                yield self._link(inner)
            elif entry.is_dir():
                if not self._is_left_out(entry):
                    yield Entry(inner)
            elif entry.is_file():
                yield Entry(inner, folder / name, entry.stat())
            # Sockets, fifos and devices are no source: reading one may block for ever.

    def _is_left_out(self, entry: "os.DirEntry[str]") -> bool:
        status = entry.stat(follow_symlinks=False)
        return (status.st_dev, status.st_ino) in self.leave_out

    def _link(self, place: str) -> Entry:
        link = self.source / place
        text = str(link.readlink())
        try:
            real = link.resolve(strict=True)
        except (OSError, RuntimeError):
            return Entry(place, text=text)  # dangling or a loop, there as here
        if real.is_relative_to(self.source):
            inside = os.path.relpath(real, link.parent.resolve())
            return Entry(place, text=text if self._stays_inside(link, text) else inside)
        if real.is_file():
            return Entry(place, real, real.stat())
        return self._outside_link(place, text)

    def _stays_inside(self, link: Path, text: str) -> bool:
        """Whether the way of a link never leaves the source, not even to come back: the copy has another name."""
        depth = len(link.parent.relative_to(self.source).parts)
        for step in Path(text).parts:
            depth += -1 if step == ".." else 1
            if depth < 0:
                return False
        return not text.startswith("/")

    def _outside_link(self, place: str, text: str) -> Entry:
        if text.startswith("/") and not text.startswith(SYSTEM):
            text = f"/nonexistent{text}"
        self.warnings.append(f"{place}: links to {text}, outside the source directory, which is not copied")
        return Entry(place, text=text)


def list_source(source: Path, leave_out: Collection[Path] = ()) -> Listing:
    """What a copy of a source directory holds: all but version control, earlier products and the directories named.

    Links that stay inside remain links; one to a regular file outside becomes its content; one to a directory outside
    dangles. MalformedError for a tree too deep; MissingToolError when something cannot be read.
    """
    lister = _Lister(source=source.resolve(), leave_out=frozenset(_identities(leave_out)))
    try:
        entries = tuple(lister.run())
    except OSError as error:
        raise _unreadable(source, error) from error
    return Listing(entries, tuple(lister.warnings))


def listed_below(folder: str, listings: Mapping[str, Listing]) -> tuple[Entry, ...]:
    """Entries for whole directories by name, to lie in a folder of another copy."""
    entries = [Entry(folder)]
    for name, listing in listings.items():
        top = f"{folder}/{name}"
        entries += [Entry(top), *(replace(entry, place=f"{top}/{entry.place}") for entry in listing.entries)]
    return tuple(entries)


def copy_listed(listing: Listing, target: Path) -> None:
    """Make the copy; errors as those of `list_source`, and StorageError when it cannot be written."""
    try:
        target.mkdir(mode=0o755, exist_ok=True)
        for entry in listing.entries:
            _copy(entry, target / entry.place)
    except OSError as error:
        if error.filename is not None and str(error.filename).startswith(str(target)):
            raise cannot_write(Path(error.filename), error) from error
        raise _unreadable(target, error) from error


def copy_source(source: Path, target: Path, leave_out: Collection[Path] = ()) -> tuple[str, ...]:
    """List and copy at once; the warnings."""
    listing = list_source(source, leave_out)
    copy_listed(listing, target)
    return listing.warnings


def _copy(entry: Entry, target: Path) -> None:
    if entry.source is not None:
        shutil.copyfile(entry.source, target)
        target.chmod(0o755 if entry.executable else 0o644)
        os.utime(target, (WHEN, WHEN))
    elif entry.text is not None:
        target.symlink_to(entry.text)
        os.utime(target, (WHEN, WHEN), follow_symlinks=False)
    else:
        target.mkdir(mode=0o755)


def _unreadable(source: Path, error: OSError) -> MissingToolError:
    return MissingToolError(f"cannot copy {error.filename or source}: {error.strerror or error}")


def _identities(folders: Collection[Path]) -> list[tuple[int, int]]:
    found = []
    for folder in folders:
        if folder.is_dir():
            status = folder.stat()
            found.append((status.st_dev, status.st_ino))
    return found
