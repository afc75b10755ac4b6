# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries a plan out on a directory that is a root filesystem: all of it or nothing. Decides nothing, follows no link.

What goes is kept in a record first, and the record says that a staging has begun. Whatever ends it early, an error or a
SIGKILL, takes it back by that record (takeback.py): at once, or at the beginning of the next run.
"""

import hashlib
import os
import secrets
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dlkm.core.errors import DlkmError, MalformedError
from dlkm.core.files import StorageError
from dlkm.filesystem.members import Form
from dlkm.rootfs.keeping import NEW, beside, keep
from dlkm.rootfs.plan import DIRECTORY_MODE, Action, Content, Operation, Plan
from dlkm.rootfs.record import BEFORE, Folder, Record, Status, Step, step_of, write_record
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import DirectoryRoot
from dlkm.rootfs.takeback import take_back


def apply(plan: Plan, root: DirectoryRoot, records: Records, epoch: int | None = None) -> Path:
    """Do it: new files are written beside their places first, then renamed into them; where the record lies.

    `epoch` is the time that new files are given (SOURCE_DATE_EPOCH), the present one where it is None.

    On any failure, an interruption included, what was done is taken back before the error goes on: StorageError for
    a full disk or a read-only directory, MalformedError when a source has changed since the plan was drawn up.
    """
    folder = records.begin()
    work = _Work(root, folder, epoch)
    try:
        work.keep(plan)
        for operation in plan.operations:
            work.prepare(operation)
        with undisturbed():
            for operation in plan.operations:
                work.commit(operation)
            work.finish()
    except BaseException as error:
        if work.is_done:  # a signal that had waited
            raise
        with undisturbed():
            left = work.take_back()
            if not left:
                records.drop(folder)
        if isinstance(error, OSError | DlkmError):
            raise _explained(error, root, work.at, left) from error
        raise
    return folder


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal in between: one that comes waits until the block is left, which takes milliseconds."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _explained(error: OSError | DlkmError, root: DirectoryRoot, at: str, left: Sequence[str]) -> DlkmError:
    rest = f"; could not be taken back: {', '.join(left)}" if left else "; nothing was changed"
    if isinstance(error, DlkmError):
        return type(error)(error.what + rest, hint=error.hint)
    return StorageError(f"cannot write {root.path}/{at}: {error.strerror or error}{rest}")


class _Work:
    """One staging under way. `at` is the path in work."""

    def __init__(self, root: DirectoryRoot, folder: Path, epoch: int | None) -> None:
        self._root, self._folder, self._epoch = root, folder, epoch
        mark = secrets.token_hex(4)
        self._record = Record(
            number=int(folder.name),
            status=Status.BEGUN,
            mark=mark,
            form=Form.DIRECTORY,
            target=str(root.path),
            when=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self.at = ""
        self.is_done = False

    def keep(self, plan: Plan) -> None:
        """Put what will go into the record, and say there what is about to be done."""
        steps = [self._step(number, operation) for number, operation in enumerate(plan.operations)]
        made = {operation.path for operation in plan.operations if operation.action is Action.MKDIR}
        parents = dict.fromkeys(operation.path.rpartition("/")[0] for operation in plan.operations)
        folders = [self._changed(path) for path in parents if path not in made]
        self._record = replace(self._record, steps=tuple(steps), folders=tuple(folders))
        write_record(self._record, self._folder)

    def prepare(self, operation: Operation) -> None:
        """Make the directory, or write the new bytes beside their place."""
        self.at = operation.path
        folder, name = _split(operation.path)
        with self._root.directory(folder) as directory:
            if operation.action is Action.MKDIR:
                self._make_directory(name, operation.path, directory)
            elif operation.content is not None:
                new = beside(name, self._record.mark, "new")
                _write(operation.content, new, directory)
                if self._epoch is not None:
                    os.utime(new, (self._epoch, self._epoch), dir_fd=directory, follow_symlinks=False)

    def commit(self, operation: Operation) -> None:
        """Put the new bytes in their place, or take away what has to go."""
        if operation.action is Action.MKDIR:
            return
        self.at = operation.path
        folder, name = _split(operation.path)
        with self._root.directory(folder) as directory:
            if operation.content is not None:
                os.rename(beside(name, self._record.mark, "new"), name, src_dir_fd=directory, dst_dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)

    def finish(self) -> None:
        """All is done: from now on only `--undo` takes it back."""
        write_record(replace(self._record, status=Status.DONE), self._folder)
        self.is_done = True

    def take_back(self) -> list[str]:
        """Undo what was done; what could not be, and that stays in the record."""
        return take_back(self._root, self._record, self._folder)

    def _step(self, number: int, operation: Operation) -> Step:
        self.at = operation.path
        step = step_of(operation)
        if operation.action not in {Action.REPLACE, Action.REMOVE}:
            return step
        folder, name = _split(operation.path)
        with self._root.directory(folder) as directory:
            return replace(step, before=keep(name, directory, self._folder / BEFORE / str(number)))

    def _changed(self, path: str) -> Folder:
        with self._root.directory(path) as directory:
            return Folder(path=path, mtime_ns=os.fstat(directory).st_mtime_ns)

    def _make_directory(self, name: str, path: str, directory: int) -> None:
        try:
            os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)
        except FileExistsError:
            return
        # The user's umask is no business of the target's.
        with self._root.directory(path) as made:
            Path(f"/proc/self/fd/{made}").chmod(DIRECTORY_MODE)


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _write(content: Content, name: str, directory: int) -> None:
    if content.link:
        os.symlink(content.link, name, dir_fd=directory)
        return
    descriptor = os.open(name, NEW, 0o600, dir_fd=directory)
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
