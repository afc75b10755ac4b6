# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories by content: a driver's source, a kernel's tree. Reads them once, and again only what may have changed."""

import os
import re
import stat
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache, partial
from pathlib import Path

from dlkm.action.digest import Digest, digest_of, digest_of_file
from dlkm.action.remembered import Stamp, recall, remember
from dlkm.action.store import Store
from dlkm.action.tree import Blobs, Folder
from dlkm.build.kerneltree import KernelTree
from dlkm.core.data import data_table
from dlkm.core.errors import MalformedError
from dlkm.core.processes import Runner
from dlkm.kernel.manifest import Entry, Manifest
from dlkm.source.copy import Listing

_CHUNK = 256  # files hashed by a thread at a time
_SECONDS = 120.0  # for looking at the status of a kernel's files, twenty to a hundred thousand of them


# A driver


def listing_stamp(listing: Listing) -> Stamp:
    """The status of all that is to be copied."""
    stamp = Stamp()
    for entry in listing.entries:
        stamp.add(entry.place, entry.status, entry.text or "")
    return stamp


def driver_folder(listing: Listing, copy: Path | None = None) -> tuple[Folder, Blobs]:
    """The copy's content: read from the copy where that is made, else from the source."""
    root, blobs = Folder(), Blobs()
    for entry in listing.entries:
        if entry.source is not None:
            path = copy / entry.place if copy is not None else entry.source
            digest = digest_of_file(path)
            blobs.paths[digest] = path
            root.put_file(entry.place, digest, executable=entry.executable)
        elif entry.text is not None:
            root.put_link(entry.place, entry.text)
        else:
            root.put_folder(entry.place)
    return root, blobs


def driver_digest(driver: Path, listing: Listing, store: Store) -> Digest:
    """The digest of what a copy would hold, as remembered while nothing changed."""
    began, stamp = time.time(), listing_stamp(listing)
    name = digest_of(f"driver\0{driver}".encode("utf-8", "surrogateescape")).hash
    known = recall(store, name, stamp.word)
    if known is not None:
        return Digest.parse(known)
    digest = driver_folder(listing)[0].digest()
    remember(store, name, stamp.word, stamp.newest, str(digest), began=began)
    return digest


# A kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelContent:
    """A kernel's directories and files by the place where the build sees them; `blobs` gives what they are made of."""

    places: tuple[tuple[str, Digest, bool], ...]  # place, digest, whether it is a directory
    blobs: Callable[[], Blobs]


def kernel_content(tree: KernelTree, runner: Runner, store: Store | None) -> KernelContent:
    """The content of what a kernel's tree binds, as remembered while no status of any of its files changed."""
    binds = outermost(tree)
    name = digest_of("\0".join(["kernel", *(f"{path} {place}" for path, place in binds)]).encode()).hash
    began = time.time()
    stamp = _status_of_all([path for path, _place in binds], runner) if store is not None else None
    known = recall(store, name, stamp) if store is not None and stamp is not None else None
    if known is None:
        read = _read(binds, tree)
        known = read.table()
        if store is not None and stamp == _status_of_all([path for path, _place in binds], runner):
            assert stamp is not None
            remember(store, name, stamp, read.newest, known, began=began)
            remember(store, _blobs_name(name), stamp, read.newest, read.blobs_table(), began=began)
        return KernelContent(places=_places(known), blobs=read.blobs)

    def blobs() -> Blobs:
        assert store is not None
        assert stamp is not None
        rows = recall(store, _blobs_name(name), stamp)
        return _read(binds, tree).blobs() if rows is None else _blobs(rows)

    return KernelContent(places=_places(known), blobs=blobs)


def outermost(tree: KernelTree) -> list[tuple[Path, str]]:
    """The binds, but for those that lie in another of them."""
    kept: list[tuple[Path, str]] = []
    for path, place in sorted(tree.binds, key=lambda bind: (len(bind[1]), bind[1])):
        if not any(place == other or place.startswith(f"{other}/") for _path, other in kept):
            kept.append((path, place))
    return kept


def _blobs_name(name: str) -> str:
    return digest_of(f"blobs\0{name}".encode()).hash


def _places(rows: Iterable[tuple[str, str, bool]]) -> tuple[tuple[str, Digest, bool], ...]:
    return tuple((place, Digest.parse(digest), folder) for place, digest, folder in rows)


def _blobs(rows: dict[str, dict[str, str]]) -> Blobs:
    return Blobs(
        data={Digest.parse(name): b64decode(text) for name, text in rows["data"].items()},
        paths={Digest.parse(name): Path(text) for name, text in rows["paths"].items()},
    )


def _status_of_all(paths: list[Path], runner: Runner) -> str | None:
    """One word for the status of all files below some paths; None when it cannot be had.

    `find` is three times as quick as Python, and another core's work.
    """
    if runner.find("find") is None:
        return None
    asked = ("-name", ".git", "-prune", "-o", "-printf", r"%P %y %m %s %i %T@ %C@ %l\n")
    done = runner.run(["find", *paths, *asked], timeout=_SECONDS)
    return digest_of(done.output).hash if done.ok else None


@dataclass(slots=True)
class _Read:
    """What was read of a kernel."""

    places: dict[str, tuple[Digest, bool]] = field(default_factory=dict)
    messages: dict[Digest, bytes] = field(default_factory=dict)
    files: dict[Digest, str] = field(default_factory=dict)
    newest: float = 0.0

    def see(self, digest: Digest, file: str, status: os.stat_result) -> None:
        """A file, read or known."""
        self.files[digest] = file
        self.newest = max(self.newest, status.st_mtime, status.st_ctime)

    def blobs(self) -> Blobs:
        """What all that is made of."""
        return Blobs(data=self.messages, paths={digest: Path(file) for digest, file in self.files.items()})

    def table(self) -> list[tuple[str, str, bool]]:
        return [(place, str(digest), folder) for place, (digest, folder) in self.places.items()]

    def blobs_table(self) -> dict[str, dict[str, str]]:
        return {
            "data": {str(digest): b64encode(data).decode() for digest, data in self.messages.items()},
            "paths": {str(digest): file for digest, file in self.files.items()},
        }


def _read(binds: list[tuple[Path, str]], tree: KernelTree) -> _Read:
    """Read every byte, but those that the pool read when it unpacked them."""
    read, listed = _Read(), _Listed.of(tree.manifest)
    for path, place in binds:
        if path.is_dir():
            folder = _folder(path, read, listed, whole=tree.whole)
            read.places[place] = (folder.digest(read.messages.__setitem__), True)
        else:
            digest = digest_of_file(path)
            read.see(digest, str(path), path.stat())
            read.places[place] = (digest, False)
    return read


@dataclass(frozen=True, slots=True)
class _Listed:
    """Files that the pool's manifest knows, by their path below `root`; `when` it was written, in nanoseconds."""

    entries: dict[str, Entry]
    root: str
    when: int

    @classmethod
    def of(cls, path: Path | None) -> "_Listed":
        try:
            if path is not None:
                found = Manifest.parse(path.read_bytes(), str(path)).entries
                return cls(found, f"{path.parent}/", path.stat().st_mtime_ns)
        except (OSError, MalformedError):
            pass  # then everything is read
        return cls({}, "", 0)

    def digest(self, file: str, status: os.stat_result) -> Digest | None:
        """The digest of a file whose status nobody has changed since."""
        entry = self.entries.get(file.removeprefix(self.root))
        if entry is None or entry.target is not None or status.st_ctime_ns >= self.when:
            return None
        same = (entry.size, entry.mtime) == (status.st_size, status.st_mtime_ns)
        return Digest(entry.sha256, entry.size) if same else None


def _folder(path: Path, read: _Read, listed: _Listed, *, whole: bool) -> Folder:
    root = Folder()
    found = list(_files(str(path), "", root, whole=whole))
    chunks = [found[start : start + _CHUNK] for start in range(0, len(found), _CHUNK)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for chunk in pool.map(partial(_hashed, listed), chunks):
            for place, file, status, digest in chunk:
                read.see(digest, file, status)
                root.put_file(place, digest, executable=bool(status.st_mode & stat.S_IXUSR))
    return root


def _hashed(
    listed: _Listed, chunk: list[tuple[str, str, os.stat_result]]
) -> list[tuple[str, str, os.stat_result, Digest]]:
    return [
        (place, file, status, listed.digest(file, status) or digest_of_file(Path(file)))
        for place, file, status in chunk
    ]


def _files(folder: str, below: str, root: Folder, *, whole: bool) -> Iterator[tuple[str, str, os.stat_result]]:
    """The regular files (place, path, status); links and directories go into the tree at once."""
    with os.scandir(folder) as entries:
        for entry in entries:
            place = f"{below}{entry.name}"
            if entry.name in _left_out().version_control:
                continue
            if entry.is_symlink():
                root.put_link(place, os.readlink(entry.path))  # noqa: PTH115 — thousands of them
            elif entry.is_dir():
                root.put_folder(place)
                yield from _files(entry.path, f"{place}/", root, whole=whole)
            elif entry.is_file() and (whole or not _left_out().is_product(place)):
                yield place, entry.path, entry.stat()


@dataclass(frozen=True, slots=True)
class _LeftOut:
    version_control: frozenset[str]
    product: re.Pattern[str]
    needed: tuple[str, ...]

    def is_product(self, place: str) -> bool:
        name = place.rpartition("/")[2]
        return bool(self.product.match(name)) and not place.startswith(self.needed)


@cache
def _left_out() -> _LeftOut:
    table = data_table("kbuild.toml")
    return _LeftOut(
        version_control=frozenset(table["leftovers"]["version_control"]),
        product=re.compile("|".join(translate(pattern) for pattern in table["built_kernel"]["files"])),
        needed=tuple(table["built_kernel"]["needed_in"]),
    )
