# SPDX-License-Identifier: GPL-2.0-or-later
"""Single files of a directory that is a root filesystem: kept in a record with all that they have, and put back."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.core.files import StorageError
from dlkm.filesystem.place import Kind
from dlkm.rootfs.record import Before, Owned, encoded

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class State:
    """What lies at a place now; `sha256` and `mode` of a file, a link's `target`."""

    kind: Kind
    sha256: str = ""
    mode: int = 0
    target: str = ""


def state_of(name: str, directory: int) -> State:
    """What lies in a directory under a name."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return State(Kind.MISSING)
    if stat.S_ISLNK(status.st_mode):
        return State(Kind.LINK, target=os.readlink(name, dir_fd=directory))
    if not stat.S_ISREG(status.st_mode):
        return State(Kind.DIRECTORY if stat.S_ISDIR(status.st_mode) else Kind.OTHER)
    with _reading(name, directory) as descriptor:
        return State(Kind.FILE, _digest(descriptor), stat.S_IMODE(os.fstat(descriptor).st_mode))


def keep(name: str, directory: int, into: Path) -> Before:
    """What lies there, its bytes at `into`: the file itself where that is on the same file system, else a copy.

    StorageError where only a copy can be made of somebody else's file: it could not be given back to its owner.
    """
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    owned = Owned(mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid, mtime_ns=status.st_mtime_ns)
    if stat.S_ISLNK(status.st_mode):
        return Before(kind=Kind.LINK, owned=owned, target=os.readlink(name, dir_fd=directory))
    with _reading(name, directory) as descriptor:
        try:
            os.link(name, into, src_dir_fd=directory, follow_symlinks=False)
        except OSError:  # another file system, or a file of another user (fs.protected_hardlinks)
            _copy(descriptor, into, status.st_uid)
        owned = Owned(mode=owned.mode, uid=owned.uid, gid=owned.gid, mtime_ns=owned.mtime_ns,
                      xattrs=encoded(_attributes(descriptor)))  # fmt: skip
        return Before(kind=Kind.FILE, owned=owned, sha256=_digest(descriptor), kept=into.name)


def is_before(state: State, before: Before) -> bool:
    """Whether what was there is there still, or again."""
    if before.kind is Kind.LINK:
        return state.kind is Kind.LINK and state.target == before.target
    return state == State(Kind.FILE, before.sha256, before.owned.mode)


def put_back(before: Before, kept: Path, name: str, directory: int, mark: str) -> None:
    """Make it what was there, in one step; MalformedError when the kept bytes are no more what they were."""
    new = beside(name, mark, "back")
    with suppress(FileNotFoundError):
        os.unlink(new, dir_fd=directory)
    if before.kind is Kind.LINK:
        os.symlink(before.target, new, dir_fd=directory)
        _give(new, directory, before.owned)
    elif not _relinked(before, kept, new, directory):
        _copied(before, kept, new, directory)
    os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
    # rename does nothing where both are links to one file
    with suppress(FileNotFoundError):
        os.unlink(new, dir_fd=directory)


def beside(name: str, mark: str, what: str) -> str:
    """A name beside the file's that no reader of the directory takes for a module or a configuration file."""
    return f".{name[:200]}.{mark}.{what}"


def is_kept(before: Before, kept: Path) -> bool:
    """Whether the record has the bytes that were there."""
    try:
        with kept.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == before.sha256
    except OSError:
        return False


def _relinked(before: Before, kept: Path, new: str, directory: int) -> bool:
    """The file itself back in the directory, if that is what the record has, unchanged in all that it had."""
    status = kept.stat()
    now = Owned(mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid, mtime_ns=status.st_mtime_ns,
                xattrs=before.owned.xattrs)  # fmt: skip
    if now != before.owned:
        return False
    try:
        os.link(kept, new, dst_dir_fd=directory)
    except OSError:
        return False
    return True


def _copied(before: Before, kept: Path, new: str, directory: int) -> None:
    descriptor = os.open(new, NEW, 0o600, dir_fd=directory)
    try:
        with kept.open("rb") as source, os.fdopen(descriptor, "w+b", closefd=False) as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        if _digest(descriptor) != before.sha256:
            raise MalformedError(f"{kept}: is not what was kept there")
        owned = before.owned
        if (os.fstat(descriptor).st_uid, os.fstat(descriptor).st_gid) != (owned.uid, owned.gid):
            os.fchown(descriptor, owned.uid, owned.gid)
        os.fchmod(descriptor, owned.mode)
        for attribute, value in owned.attributes().items():
            os.setxattr(descriptor, attribute, value)
        os.utime(descriptor, ns=(owned.mtime_ns, owned.mtime_ns))
    finally:
        os.close(descriptor)


def _give(name: str, directory: int, owned: Owned) -> None:
    """A link's owner and time."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if (status.st_uid, status.st_gid) != (owned.uid, owned.gid):
        os.chown(name, owned.uid, owned.gid, dir_fd=directory, follow_symlinks=False)
    os.utime(name, ns=(owned.mtime_ns, owned.mtime_ns), dir_fd=directory, follow_symlinks=False)


def _copy(descriptor: int, into: Path, owner: int) -> None:
    if owner != os.geteuid() and os.geteuid() != 0:
        hint = "keep the record on the file system of the root: --record DIR"
        raise StorageError(f"a file of user {owner} would be replaced and could not be given back", hint=hint)
    with into.open("xb") as sink, os.fdopen(descriptor, "rb", closefd=False) as source:
        shutil.copyfileobj(source, sink, 1 << 20)


def _attributes(descriptor: int) -> dict[str, bytes]:
    try:
        return {name: os.getxattr(descriptor, name) for name in os.listxattr(descriptor)}
    except OSError:  # a file system without any
        return {}


def _digest(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb", closefd=False) as stream:
        stream.seek(0)
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _reading(name: str, directory: int) -> Iterator[int]:
    descriptor = os.open(name, READ, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
