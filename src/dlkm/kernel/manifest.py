# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of a kernel's files with size, time and digest, and what differs from it. Repairs nothing."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dlkm.core.errors import MalformedError
from dlkm.core.files import inside, sha256_file

NAME = "manifest.json"
LIMIT = 64 << 20  # bytes; 20,000 files take about 3 MB
CHUNK = 256  # files hashed by a thread at a time


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file: bytes, modification time (ns), SHA-256; or a symbolic link: `target`, and neither."""

    size: int = 0
    mtime: int = 0
    sha256: str = ""
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files below a directory, by their path relative to it."""

    entries: dict[str, Entry]

    @classmethod
    def of(cls, root: Path) -> Self:
        """What lies there now; reads every byte."""
        from concurrent.futures import ThreadPoolExecutor  # which those who only read a list do without

        found = sorted(_walk(root))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            chunks = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)]
            hashed = pool.map(lambda chunk: [(name, _entry(root / name)) for name in chunk], chunks)
            return cls({name: entry for chunk in hashed for name, entry in chunk})

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries.values())

    def to_json(self) -> str:
        """As it is written; `parse` reads it back."""
        rows = {
            name: entry.target if entry.target is not None else [entry.size, entry.mtime, entry.sha256]
            for name, entry in self.entries.items()
        }
        return json.dumps(rows, indent=0)

    @classmethod
    def parse(cls, data: bytes, where: str) -> Self:
        """From its bytes; MalformedError when they are none of ours."""
        if len(data) > LIMIT:
            raise MalformedError(f"{where}: larger than any list of files ({LIMIT} bytes)")
        try:
            return cls({inside(name): _parse_entry(row) for name, row in json.loads(data).items()})
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise MalformedError(f"{where}: is no list of files") from error

    def differences(self, root: Path, *, whole: bool) -> Iterator[str]:
        """The names that are missing or changed, in order. Further files do not count.

        `whole` reads every byte; otherwise only files whose time has changed are read, which takes a tenth of a second
        for a Debian kernel.
        """
        for name, entry in self.entries.items():
            if not _same(f"{root}/{name}", entry, whole=whole):
                yield name


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*names, *linked):
            yield os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118 — twenty thousand times


def _entry(path: Path) -> Entry:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Entry(target=os.readlink(path))  # noqa: PTH115 — pathlib would write a/./b otherwise
    return Entry(size=status.st_size, mtime=status.st_mtime_ns, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def _same(path: str, entry: Entry, *, whole: bool) -> bool:
    try:
        status = os.lstat(path)
        if entry.target is not None:
            return stat.S_ISLNK(status.st_mode) and os.readlink(path) == entry.target  # noqa: PTH115 — as above
        if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
            return False
        return (status.st_mtime_ns == entry.mtime and not whole) or sha256_file(Path(path)) == entry.sha256
    except OSError:
        return False


def _parse_entry(row: Any) -> Entry:
    if isinstance(row, str):
        return Entry(target=row)
    size, mtime, digest = row
    if not (isinstance(size, int) and isinstance(mtime, int) and isinstance(digest, str)):
        raise TypeError(row)
    return Entry(size=size, mtime=mtime, sha256=digest)
