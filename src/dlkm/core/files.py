# SPDX-License-Identifier: GPL-2.0-or-later
"""Files: whole or not at all, locked, digested, and where the caches lie. Knows no kernel and no module."""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from dlkm.core.errors import ExitStatus, SurroundingsError, UsageError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_JUST_MADE = 60.0  # seconds in which a directory may not be locked yet


def cache_home(env: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_CACHE_HOME/dlkm`, else `~/.cache/dlkm`; not created here.

    A relative XDG_CACHE_HOME is ignored, as the XDG Base Directory specification asks.
    """
    base = env.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        base = str(Path(env.get("HOME") or "~").expanduser() / ".cache")
    return Path(base) / "dlkm"


def open_regular(path: Path) -> BinaryIO:
    """A regular file for reading, unbuffered; UsageError for anything else, never waiting for a pipe's writer."""
    try:
        stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb", buffering=0)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        return stream
    stream.close()
    raise UsageError(f"{path}: is not a regular file")


def sha256_file(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash, sees the old bytes or the new ones and never half of them."""
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise cannot_write(path, error) from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class StorageError(SurroundingsError):
    """A disk is full, a directory is read-only: nothing was changed."""

    status = ExitStatus.MISSING_TOOL


def cannot_write(path: Path, error: OSError) -> StorageError:
    """The error for a file that could not be written; of a tree's many (shutil.Error) the first is told."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        _source, place, reason = error.args[0][0]
        return StorageError(f"cannot write {place}: {reason}")
    return StorageError(f"cannot write {path}: {error.strerror or error}")


@contextmanager
def lock(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on `path` (made when missing); waits for another process that holds it.

    `waiting` is called once when the lock is not free.
    """
    descriptor = _open_lock(path)
    try:
        if waiting is not None and not _lock_now(descriptor):
            waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock if nobody else does; gives whether it is held."""
    descriptor = _open_lock(path)
    try:
        yield _lock_now(descriptor)
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise cannot_write(path, error) from error


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def temporary_dir() -> Path:
    """Where things may lie for the time of a run; StorageError where the machine offers no place."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise cannot_write(Path("/tmp"), error) from error  # noqa: S108 — only named


@contextmanager
def scratch_dir(parent: Path, prefix: str = "tmp-") -> Iterator[Path]:
    """A directory below `parent` that is gone afterwards, unless its content was renamed away."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as error:
        raise cannot_write(parent, error) from error
    try:
        yield path
    finally:
        remove_tree(path)


@contextmanager
def held_dir(parent: Path, prefix: str) -> Iterator[Path]:
    """A `scratch_dir` that is locked while it is in use; those that killed processes left behind are removed first.

    The lock is on the directory itself, so that it needs no file in it. `prefix` must be nobody else's in `parent`.
    """
    _sweep(parent, prefix)
    with scratch_dir(parent, prefix) as path:
        descriptor = os.open(path, _DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield path
        finally:
            os.close(descriptor)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove the user's own directories that nobody holds; what cannot be looked at is left alone."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                with suppress(OSError):
                    _remove_if_left(Path(entry.path), entry.stat(follow_symlinks=False))


def _remove_if_left(path: Path, status: os.stat_result) -> None:
    just_made = status.st_mtime > time.time() - _JUST_MADE
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or just_made:
        return
    descriptor = os.open(path, _DIRECTORY)
    try:
        if _lock_now(descriptor):
            remove_tree(path)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a directory (or file) with all below it, read-only directories included; a missing one is no error."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    with suppress(OSError):
        path.chmod(0o700)
    for folder, names, _files in os.walk(path):
        for child in (Path(folder, name) for name in names):
            with suppress(OSError):
                if not child.is_symlink():
                    child.chmod(0o700)  # before it is listed: the walk goes from the top down
    shutil.rmtree(path, ignore_errors=True)


def inside(name: str) -> str:
    """A relative path that stays below where it starts, as it was; ValueError for any other."""
    if name and name[0] != "/" and ".." not in name and "\0" not in name:
        return name  # lists of files have twenty thousand such
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise ValueError(name)
    return name


def tree_size(path: Path) -> int:
    """Bytes of all regular files below a directory; links are not followed."""
    total = 0
    for folder, _folders, names in os.walk(path):
        for name in names:
            status = os.lstat(Path(folder) / name)
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
