# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries a plan out on a root filesystem: all of it or nothing. Decides nothing, follows no link."""

import hashlib
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dlkm.core.errors import DlkmError, MalformedError
from dlkm.core.files import StorageError
from dlkm.rootfs.plan import DIRECTORY_MODE, Action, Content, Operation, Plan
from dlkm.rootfs.root import DirectoryRoot

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def apply(plan: Plan, root: DirectoryRoot) -> None:
    """Do it: new files are written beside their places first, then renamed into them.

    On any failure, an interruption included, what was done is taken back before the error goes on: StorageError for
    a full disk or a read-only directory, MalformedError when a source has changed since the plan was drawn up.
    """
    transaction = _Transaction(root)
    try:
        for operation in plan.operations:
            transaction.prepare(operation)
        with _undisturbed():
            for operation in plan.operations:
                transaction.commit(operation)
            transaction.finish()
    except BaseException as error:
        with _undisturbed():
            left = transaction.roll_back()
        if isinstance(error, OSError | DlkmError):
            raise _explained(error, root, transaction.at, left) from error
        raise


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no signal in between: one that comes waits until the block is left, which takes milliseconds."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _explained(error: OSError | DlkmError, root: DirectoryRoot, at: str, left: list[str]) -> DlkmError:
    rest = f"; could not be taken back: {', '.join(left)}" if left else "; nothing was changed"
    if isinstance(error, DlkmError):
        return type(error)(error.what + rest, hint=error.hint)
    return StorageError(f"cannot write {root.path}/{at}: {error.strerror or error}{rest}")


class _Transaction:
    """What has been done so far, and how to undo it. `at` is the path in work."""

    def __init__(self, root: DirectoryRoot) -> None:
        self._root = root
        self._mark = secrets.token_hex(4)
        self._undo: list[tuple[str, Callable[[], None]]] = []
        self._backups: list[tuple[str, str]] = []
        self.at = ""

    def prepare(self, operation: Operation) -> None:
        """Make the directory, or write the new bytes beside their place."""
        self.at = operation.path
        folder, name = _split(operation.path)
        if operation.action is Action.MKDIR:
            self._make_directory(folder, name)
        elif operation.content is not None:
            new = self._name(name, "new")
            self._undo.append((operation.path, lambda: self._unlink(folder, new)))
            with self._root.directory(folder) as directory:
                _write(operation.content, new, directory)

    def commit(self, operation: Operation) -> None:
        """Put the new bytes in their place, or take away what has to go; the old stays under another name."""
        if operation.action is Action.MKDIR:
            return
        self.at = operation.path
        folder, name = _split(operation.path)
        with self._root.directory(folder) as directory:
            had = self._back_up(folder, name, directory)
            self._undo.append((operation.path, lambda: self._restore(folder, name, had=had)))
            if operation.content is not None:
                os.rename(self._name(name, "new"), name, src_dir_fd=directory, dst_dir_fd=directory)
            elif had:
                os.unlink(name, dir_fd=directory)

    def finish(self) -> None:
        """All is done, nothing will be taken back any more: let go of the old files."""
        self._undo.clear()
        for folder, backup in self._backups:
            with suppress(OSError):
                self._unlink(folder, backup)

    def roll_back(self) -> list[str]:
        """Undo all, the last first; the paths where that failed."""
        left = []
        for path, step in reversed(self._undo):
            try:
                step()
            except FileNotFoundError:
                continue
            except OSError:
                left.append(path)
        return left

    def _make_directory(self, folder: str, name: str) -> None:
        with self._root.directory(folder) as directory:
            try:
                os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)
            except FileExistsError:
                return
            self._undo.append((f"{folder}/{name}", lambda: self._remove_directory(folder, name)))
        # The user's umask is no business of the target's.
        with self._root.directory(f"{folder}/{name}") as made:
            Path(f"/proc/self/fd/{made}").chmod(DIRECTORY_MODE)

    def _back_up(self, folder: str, name: str, directory: int) -> bool:
        """Keep what lies there under a second name, so that its own is never empty; whether there was something."""
        backup = self._name(name, "old")
        try:
            os.link(name, backup, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError:  # a file system without hard links, or a file of another user (fs.protected_hardlinks)
            os.rename(name, backup, src_dir_fd=directory, dst_dir_fd=directory)
        self._backups.append((folder, backup))
        return True

    def _restore(self, folder: str, name: str, *, had: bool) -> None:
        with self._root.directory(folder) as directory:
            if had:
                backup = self._name(name, "old")
                os.rename(backup, name, src_dir_fd=directory, dst_dir_fd=directory)
                # rename does nothing where both are links to one file: nothing had been replaced yet.
                with suppress(FileNotFoundError):
                    os.unlink(backup, dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)

    def _remove_directory(self, folder: str, name: str) -> None:
        with self._root.directory(folder) as directory:
            os.rmdir(name, dir_fd=directory)

    def _unlink(self, folder: str, name: str) -> None:
        with self._root.directory(folder) as directory:
            os.unlink(name, dir_fd=directory)

    def _name(self, name: str, what: str) -> str:
        """A name beside the file's that no reader of the directory takes for a module or a configuration file."""
        return f".{name[:200]}.{self._mark}.{what}"


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _write(content: Content, name: str, directory: int) -> None:
    if content.link:
        os.symlink(content.link, name, dir_fd=directory)
        return
    descriptor = os.open(name, _NEW, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "w+b") as stream:
        if content.source is not None:
            with content.source.open("rb") as source:
                shutil.copyfileobj(source, stream, 1 << 20)
        else:
            stream.write(content.data)
        stream.flush()
        os.fchmod(descriptor, content.mode)
        stream.seek(0)
        if hashlib.file_digest(stream, "sha256").hexdigest() != content.sha256:
            raise MalformedError(f"{content.source}: has changed since it was looked at")
