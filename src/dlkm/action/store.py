# SPDX-License-Identifier: GPL-2.0-or-later
"""The store on disk: blobs by digest, outcomes by their action's digest. Verified on reading, bounded, no server.

    cas/HH/HASH      a blob
    ac/HH/HASH       an outcome, sealed
    notes/HH/HASH    what was remembered of files by their status (remembered.py), sealed
    usage            bytes of all that, as of late; exact after making room

Any number of processes may use it: files come by rename, and one that is gone or damaged is as if it never was.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import IO

from dlkm.action.digest import Digest, digest_of, digest_of_stream
from dlkm.action.outcome import Outcome, OutFile
from dlkm.action.seal import sealed, unsealed
from dlkm.core.errors import UsageError
from dlkm.core.files import cache_home, cannot_write, lock, write_atomically

LIMIT = 4 << 30  # bytes
SIZE_VARIABLE = "DLKM_CACHE_SIZE"
HOME_VARIABLE = "DLKM_CACHE"
_KEPT = 0.8  # of the limit, after making room
_KINDS = ("cas", "ac", "notes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is there, in bytes and numbers."""

    size: int
    blobs: int
    actions: int


class Store:
    """The store below a directory; by default the user's own. `limit` is in bytes."""

    def __init__(self, home: Path | None = None, limit: int | None = None) -> None:
        self.home = home or store_home()
        self.limit = limit if limit is not None else limit_asked_for()
        self._added = 0
        self._lock = Lock()

    # Blobs

    def has(self, digest: Digest) -> bool:
        """Whether a blob of that name and size is there; its bytes are looked at when they are read."""
        with suppress(OSError):
            return self._path("cas", digest.hash).stat().st_size == digest.size
        return False

    def put(self, data: bytes) -> Digest:
        """Keep bytes."""
        digest = digest_of(data)
        if self.read(digest) is None:
            self._write("cas", digest.hash, data)
        return digest

    def put_file(self, path: Path) -> Digest:
        """Keep a file's bytes."""
        with path.open("rb") as stream:
            return self.put_stream(stream)

    def put_stream(self, stream: IO[bytes]) -> Digest:
        """Keep what is left in a stream."""
        folder = self.home / "cas"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as new:
                try:
                    digest = digest_of_stream(stream, new.file)
                    new.close()
                    self._take(Path(new.name), digest)
                finally:
                    Path(new.name).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return digest

    def path(self, digest: Digest) -> Path:
        """Where a blob lies, or would."""
        return self._path("cas", digest.hash)

    def _take(self, new: Path, digest: Digest) -> None:
        place = self._path("cas", digest.hash)
        place.parent.mkdir(exist_ok=True)
        new.chmod(0o644)
        new.replace(place)
        self._count(digest.size)

    def read(self, digest: Digest) -> bytes | None:
        """A blob's bytes; None when it is not there, or is not what its name says (then it is thrown away)."""
        path = self._path("cas", digest.hash)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if digest_of(data) != digest:
            path.unlink(missing_ok=True)
            return None
        return data

    # Outcomes

    def get(self, action: Digest) -> Outcome | None:
        """What came of an action, when it is known and all its files are there."""
        path = self._path("ac", action.hash)
        try:
            outcome = Outcome.parse(path.read_bytes())
        except OSError:
            return None
        if outcome is None:
            path.unlink(missing_ok=True)
            return None
        if not all(self.has(file.digest) for file in outcome.files):
            return None
        for used in (path, *(self._path("cas", file.digest.hash) for file in outcome.files)):
            with suppress(OSError):
                os.utime(used)  # what is used stays
        return outcome

    def keep(self, action: Digest, outcome: Outcome) -> None:
        """Remember what came of an action; its files are here already."""
        self._write("ac", action.hash, outcome.encode())

    def gather(self, outputs: Iterable[tuple[str, Path]], small: Mapping[str, bytes]) -> Outcome:
        """Files, links and directories (place, path) and small files as an outcome, all of them kept here."""
        files = [OutFile(path=place, digest=self.put(data)) for place, data in small.items()]
        links, folders = [], []
        for place, path in outputs:
            if path.is_symlink():
                links.append((place, str(path.readlink())))
            elif path.is_dir():
                folders.append(place)
            elif path.is_file():
                executable = bool(path.stat().st_mode & stat.S_IXUSR)
                files.append(OutFile(path=place, digest=self.put_file(path), executable=executable))
        return Outcome(files=tuple(files), links=tuple(links), folders=tuple(folders))

    def lay_out(self, outcome: Outcome, target: Path) -> bool:
        """Put an outcome's files below a directory; False when one is missing or damaged: then none of it counts."""
        for place in outcome.folders:
            (target / place).mkdir(parents=True, exist_ok=True)
        for file in outcome.files:
            data = self.read(file.digest)
            if data is None:
                return False
            path = target / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o755 if file.executable else 0o644)
        for place, text in outcome.links:
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            (target / place).symlink_to(text)
        return True

    # Notes

    def note(self, name: str) -> bytes | None:
        """What was noted under a name, undamaged."""
        with suppress(OSError):
            path = self._path("notes", name)
            data = unsealed(path.read_bytes())
            os.utime(path)
            return data
        return None

    def write_note(self, name: str, data: bytes) -> None:
        """Note something."""
        self._write("notes", name, sealed(data))

    # Room

    def usage(self) -> Usage:
        """What is there now; looks at every file."""
        found = list(self._all())
        kinds = [path.parent.parent.name for path, _status in found]
        return Usage(
            size=sum(status.st_size for _path, status in found), blobs=kinds.count("cas"), actions=kinds.count("ac")
        )

    def settle(self) -> None:
        """Add up what this process kept, and make room when it is too much; a store that may not be written stays."""
        if not self._added:
            return
        with suppress(OSError), lock(self.home / "usage.lock"):
            known = self._known_usage()
            total = known + self._added if known is not None else self.limit + 1
            self._added = 0
            if total > self.limit:
                total = self.prune(int(self.limit * _KEPT), only_above=self.limit)
            write_atomically(self.home / "usage", f"{total}\n")

    def prune(self, keep: int, *, only_above: int = 0) -> int:
        """Throw away what was not used for the longest, until `keep` bytes are left; the bytes left.

        Nothing happens while there are at most `only_above` bytes.
        """
        found = sorted(self._all(), key=lambda one: one[1].st_mtime_ns)
        total = sum(status.st_size for _path, status in found)
        if total <= only_above:
            return total
        for path, status in found:
            if total <= keep:
                break
            with suppress(OSError):
                path.unlink()
                total -= status.st_size
        return total

    def verify(self) -> tuple[int, int]:
        """Look at every byte; what is damaged goes. How many files there were, and how many went."""
        damaged = checked = 0
        for path, _status in self._all():
            checked += 1
            if not self._is_sound(path):
                damaged += 1
                path.unlink(missing_ok=True)
        return checked, damaged

    @staticmethod
    def _is_sound(path: Path) -> bool:
        with suppress(OSError):
            if path.parent.parent.name != "cas":
                return unsealed(path.read_bytes()) is not None
            with path.open("rb") as stream:
                return digest_of_stream(stream).hash == path.name
        return True

    def _all(self) -> "Iterator[tuple[Path, os.stat_result]]":
        for kind in _KINDS:
            for path in walk(self.home / kind):
                with suppress(OSError):
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode):
                        yield path, status

    def _known_usage(self) -> int | None:
        with suppress(OSError, ValueError):
            return int((self.home / "usage").read_text("ascii"))
        return None

    def _path(self, kind: str, name: str) -> Path:
        return self.home / kind / name[:2] / name

    def _write(self, kind: str, name: str, data: bytes) -> None:
        write_atomically(self._path(kind, name), data)
        self._count(len(data))

    def _count(self, size: int) -> None:
        with self._lock:
            self._added += size


def walk(folder: Path) -> Iterator[Path]:
    """All below a directory, directories before what is in them; links are not followed."""
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            yield Path(place, name)


def store_home() -> Path:
    """$DLKM_CACHE, when that is an absolute path, else a directory of the user's cache."""
    named = os.environ.get(HOME_VARIABLE, "")
    return Path(named) if named.startswith("/") else cache_home() / "actions"


def limit_asked_for() -> int:
    """The limit in bytes: $DLKM_CACHE_SIZE (a number with K, M, G or T, or none), else the usual."""
    text = os.environ.get(SIZE_VARIABLE, "")
    try:
        return parse_size(text) if text else LIMIT
    except ValueError:
        raise UsageError(f"{SIZE_VARIABLE}={text}: no size", hint="a number with K, M, G or T, e.g. 4G") from None


def parse_size(text: str) -> int:
    """Bytes, from a number with K, M, G, T (powers of 1024) or nothing behind it; ValueError for anything else."""
    number, unit = text[:-1], text[-1:].upper()
    power = "KMGT".find(unit) + 1 if unit else 0
    return int(number) * 1024**power if power else int(text)
