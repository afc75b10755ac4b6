# SPDX-License-Identifier: GPL-2.0-or-later
"""Where kernels are kept: one directory a kernel, whole or absent, its content verified. Fetches and unpacks nothing.

`ID/kernel.json` is the record, `ID/manifest.json` the list of files, `ID/tree/` the kernel as the target has it.
`.scratch/ID` holds what is being made and `.locks/ID` is locked meanwhile: scratch whose lock is free is left over from
a process that ended too early, and goes, and so does `.scratch/old-*`, which was replaced or removed.
"""

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dlkm.core.errors import DlkmError, FetchError, MalformedError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import (
    cache_home,
    cannot_write,
    lock,
    remove_tree,
    sha256_file,
    tree_size,
    try_lock,
    write_atomically,
)
from dlkm.kernel import manifest, record, rest
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.manifest import Manifest
from dlkm.kernel.record import Record

_ID = re.compile(r"[0-9][A-Za-z0-9.+~_@-]{0,200}")
_ASIDE = "old-"
_FULL = {errno.ENOSPC, errno.EDQUOT}
DOWNLOADS_KEPT = 7 * 86400  # seconds that a broken-off download may wait to be resumed


class DamagedError(FetchError):
    """A kernel of the pool is not what it was when it was added; `kernel` and `file` say which and where."""

    def __init__(self, kernel: str, file: str, origin: str | None) -> None:
        super().__init__(
            f"kernel {kernel} is damaged: {file} is missing or changed",
            hint=f"restore it: dlkm kernel add {origin}" if origin else f"remove it: dlkm kernel rm {kernel}",
        )
        self.kernel = kernel
        self.file = file


class WhileWhole(Protocol):
    """What looks at a kernel while it is being added and all its files lie there unpacked."""

    def __call__(self, kernel: Kernel, made: Path, files: Manifest, /) -> Callable[[Kernel], None]:
        """`kernel` lies below `made`, in the pool's scratch; `files` are all in it. What it leaves there is kept.

        What it answers is called with the kernel once that is in the pool, still locked.
        """


def _leave(_kernel: Kernel, _made: Path, _files: Manifest) -> Callable[[Kernel], None]:
    return lambda _there: None


@dataclass(frozen=True, slots=True)
class Broken:
    """A directory of the pool that holds no kernel, and why."""

    id: str
    why: str


def is_id(text: str) -> bool:
    """Whether the text can name a kernel of a pool; holds no '/' and does not start with '.'."""
    return _ID.fullmatch(text) is not None


class Pool:
    """The kernels below a directory; by default the user's own, shared by all projects."""

    def __init__(self, root: Path | None = None, while_whole: WhileWhole = _leave) -> None:
        self.root = cache_home() / "kernels" if root is None else root
        self.while_whole = while_whole

    def home(self, kernel: str) -> Path:
        """The directory of a kernel, there or not."""
        return self.root / kernel

    def ids(self) -> tuple[str, ...]:
        """The ids of all entries, readable or not, in the order of their releases."""
        try:
            names = [entry.name for entry in os.scandir(self.root) if is_id(entry.name)]
        except OSError:
            return ()
        return tuple(sorted(names, key=natural))

    def list(self) -> tuple[Kernel, ...]:
        """All kernels whose record can be read, in the order of their releases; none is verified."""
        return tuple(entry.kernel(self.home(entry.id)) for entry in self.records() if isinstance(entry, Record))

    def records(self) -> Iterator[Record | Broken]:
        """What there is, broken entries included."""
        for name in self.ids():
            try:
                yield self._read(name)
            except (DlkmError, OSError) as error:
                yield Broken(name, getattr(error, "what", str(error)))

    def get(self, kernel: str) -> Kernel | None:
        """A kernel by its id, not verified; None when there is none, DamagedError when its record is broken."""
        found = self.record(kernel)
        return None if found is None else found.kernel(self.home(kernel))

    def record(self, kernel: str) -> Record | None:
        """The record of a kernel; None when there is none, DamagedError when it is broken."""
        if not is_id(kernel):
            return None
        try:
            return self._read(kernel)
        except FileNotFoundError:
            if not self.home(kernel).is_dir():
                return None
            raise DamagedError(kernel, str(self.home(kernel) / record.NAME), None) from None
        except (OSError, MalformedError) as error:
            raise DamagedError(kernel, str(self.home(kernel) / record.NAME), None) from error

    def take(self, kernel: str) -> Kernel:
        """A kernel for use: the files that answers rest on (image, Module.symvers, configuration) are verified.

        UsageError when there is none; DamagedError when one of these files is not what it was.
        """
        found = self.record(kernel)
        if found is None:
            raise UsageError(f"no kernel {kernel!r} in the pool", hint="see: dlkm kernel list")
        home = self.home(kernel)
        for name, digest in found.digests.items():
            if not _has_digest(home / name, digest):
                raise DamagedError(kernel, str(home / name), found.origin)
        self.used(kernel, now=True)
        return found.kernel(home)

    def used(self, kernel: str, *, now: bool = False) -> float:
        """When a kernel was taken last, or added (seconds since 1970); `now` notes that it is being taken."""
        mark = self.root / ".used" / kernel
        with suppress(OSError):  # a pool that may only be read is of use too
            if now:
                mark.parent.mkdir(exist_ok=True)
                mark.touch()
        for path in (mark, self.home(kernel) / record.NAME):
            with suppress(OSError):
                return path.stat().st_mtime
        return 0.0

    def prunable(self, age: float) -> tuple[str, ...]:
        """The kernels that nobody has taken for so many seconds, broken ones included."""
        return tuple(name for name in self.ids() if self.used(name) < time.time() - age)

    def leftovers(self) -> int:
        """Remove downloads that were broken off, whatever their age; the bytes that became free."""
        freed = 0
        for name in _names(self.root / ".downloads"):
            with try_lock(self._lock(name)) as mine:
                if mine:
                    freed += tree_size(self.root / ".downloads" / name)
                    remove_tree(self.root / ".downloads" / name)
        return freed

    def damage(self, kernel: str, *, whole: bool) -> tuple[str, ...]:
        """The files that are missing or changed. `whole` reads every byte; otherwise sizes and times decide.

        UsageError when there is no such kernel, DamagedError when its record cannot be read.
        """
        found = self.record(kernel)
        if found is None:
            raise UsageError(f"no kernel {kernel!r} in the pool", hint="see: dlkm kernel list")
        home = self.home(kernel)
        wrong = [name for name, digest in found.digests.items() if not _has_digest(home / name, digest)]
        if found.manifest is not None:
            wrong += _manifest_damage(home, found.manifest, whole=whole)
        if found.packed is not None and rest.LIST not in wrong:
            wrong += rest.differences(home, whole=whole)
        return tuple(dict.fromkeys(str(home / name) for name in wrong))

    def remove(self, kernel: str) -> bool:
        """Take a kernel out; False when there was none."""
        with self.locked(kernel):
            there = self.home(kernel).exists()
            remove_tree(self._put_aside(self.home(kernel)))
            return there

    @contextmanager
    def locked(self, kernel: str, events: Events | None = None) -> Iterator[None]:
        """Hold a kernel against all other processes; who waits is told so. Sweeps what others left half-made."""
        self.sweep(but=kernel)

        def waiting() -> None:
            if events is not None:
                events.info(f"{kernel}: waiting for another dlkm that is at work on it")

        with lock(self._lock(kernel), waiting=waiting):
            yield
        self.sweep(but=kernel)  # once more: a program of a killed dlkm may have written on for a while

    @contextmanager
    def scratch(self, kernel: str) -> Iterator[Path]:
        """An empty directory to make a kernel in, gone afterwards; to be used under `locked`.

        StorageError when the disk is full.
        """
        path = self.root / ".scratch" / kernel
        # What is left over is moved, not emptied: programs that outlived their dlkm may still be writing there.
        remove_tree(self._put_aside(path))
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            yield path
        except OSError as error:  # by whatever step
            if error.errno in _FULL:
                raise cannot_write(path, error) from error
            raise
        finally:
            remove_tree(path)

    @contextmanager
    def downloads(self, kernel: str) -> Iterator[Path]:
        """A directory for what is fetched: kept when the work breaks off so that it can go on there, gone when done."""
        path = self.root / ".downloads" / kernel
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        yield path
        remove_tree(path)

    def put(self, entry: Record, made: Path) -> Kernel:
        """Make the directory `made` (below this pool's scratch) a kernel of the pool, in place of an older one."""
        write_atomically(made / record.NAME, entry.to_json())
        old = self._put_aside(self.home(entry.id))
        try:
            made.rename(self.home(entry.id))
        except OSError as error:
            raise cannot_write(self.home(entry.id), error) from error
        remove_tree(old)
        return entry.kernel(self.home(entry.id))

    def sweep(self, but: str = "") -> None:
        """Remove what processes that ended too early have left, whatever is in use excepted."""
        for name in _names(self.root / ".scratch"):
            if name.startswith(_ASIDE):
                remove_tree(self.root / ".scratch" / name)
            elif name != but and is_id(name):
                with try_lock(self._lock(name)) as mine:
                    if mine:
                        remove_tree(self.root / ".scratch" / name)
        for name in _names(self.root / ".downloads"):
            path = self.root / ".downloads" / name
            with suppress(OSError):
                if name != but and path.stat().st_mtime < time.time() - DOWNLOADS_KEPT:
                    shutil.rmtree(path, ignore_errors=True)

    def _put_aside(self, path: Path) -> Path:
        """Out of sight in one step, whether or not it is there: nobody sees half a kernel. Returns where it went."""
        old = self.root / ".scratch" / f"{_ASIDE}{os.urandom(8).hex()}"
        try:
            old.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                path.rename(old)
        except OSError as error:
            raise cannot_write(path, error) from error
        return old

    def _lock(self, kernel: str) -> Path:
        return self.root / ".locks" / kernel

    def _read(self, kernel: str) -> Record:
        path = self.home(kernel) / record.NAME
        found = Record.read(path)
        if found.id != kernel:
            raise MalformedError(f"{path}: is the record of {found.id!r}")
        return found


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Orders releases as people do: numbers by value, 6.1.0-9 before 6.1.0-56."""
    return tuple((int(word), "") if word.isdecimal() else (-1, word) for word in re.findall(r"[0-9]+|[^0-9]+", text))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 — the names alone, and the folder may be gone meanwhile
    except OSError:
        return []


def _has_digest(path: Path, digest: str) -> bool:
    try:
        return sha256_file(path) == digest
    except OSError:
        return False


def _manifest_damage(home: Path, digest: str, *, whole: bool) -> list[str]:
    path = home / manifest.NAME
    if not _has_digest(path, digest):
        return [manifest.NAME]
    return list(Manifest.parse(path.read_bytes(), str(path)).differences(home, whole=whole))
