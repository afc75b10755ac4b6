# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem that is to be changed: held against others, mended after a run that was killed, changed, undone."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.events import Events
from dlkm.core.processes import Runner
from dlkm.filesystem.members import Form
from dlkm.rootfs import rewrite
from dlkm.rootfs.apply import apply, undisturbed
from dlkm.rootfs.opened import opened
from dlkm.rootfs.plan import Plan
from dlkm.rootfs.record import Record, Status, Step, read_record, write_record
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import DirectoryRoot, HeldRoot, Root
from dlkm.rootfs.takeback import changed_since, take_back


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What taking back the last staging did, or would do.

    `steps` are those of the staging, in its order. `changed` says what is no more as it was left: then nothing was
    done. `remaining` stagings came before.
    """

    record: Path
    steps: tuple[Step, ...]
    changed: tuple[str, ...]
    remaining: int


class Target:
    """The root as it is, and what may be done to it."""

    def __init__(self, root: Root, records: Records, runner: Runner, events: Events) -> None:
        self.root, self.records, self.runner = root, records, runner
        self._events = events

    def carry_out(self, plan: Plan, epoch: int | None = None) -> Path | None:
        """All of it or nothing; where the record lies, None where nothing had to be done. Errors as `apply`.

        `epoch` is the time for new files (SOURCE_DATE_EPOCH); without it, the present.
        """
        if not plan.operations:
            return None
        if isinstance(self.root, DirectoryRoot):
            return apply(plan, self.root, self.records, epoch)
        assert isinstance(self.root, HeldRoot)
        return rewrite.apply(plan, self.root, self.records, epoch, self.runner, self._events)

    def undo(self, *, dry_run: bool = False) -> Undone:
        """Take the last staging back to the byte; UsageError where there is none, or none that fits the target."""
        folders = self.records.all()
        if not folders:
            where = self.records.home or "beside it"
            raise UsageError(f"{self.root.path}: no staging is recorded ({where})", hint="--record DIR says where")
        folder = folders[-1]
        record = read_record(folder)
        if (record.rewritten is None) != isinstance(self.root, DirectoryRoot):
            raise UsageError(f"{folder}: is a record of another kind of root filesystem ({record.form})")
        changed = tuple(self._changed(record, folder))
        if not changed and not dry_run:
            self._undo(record, folder)
        return Undone(record=folder, steps=record.steps, changed=changed, remaining=len(folders) - 1)

    def _changed(self, record: Record, folder: Path) -> Iterator[str]:
        if isinstance(self.root, DirectoryRoot):
            return changed_since(self.root, record, folder)
        return rewrite.changed_since(self.records.target, record)

    def _undo(self, record: Record, folder: Path) -> None:
        if not isinstance(self.root, DirectoryRoot):
            rewrite.undo(self.records.target, record, folder)
        else:
            write_record(replace(record, status=Status.UNDOING), folder)
            with undisturbed():
                left = take_back(self.root, record, folder)
            if left:
                raise MalformedError(f"{self.root.path}: could not be put back: {', '.join(left)}",
                                     hint=f"what was there is in {folder}")  # fmt: skip
        self.records.drop(folder)


@contextmanager
def target(path: Path, records_in: Path | None, runner: Runner, events: Events) -> Iterator[Target]:
    """The root filesystem at `path` for one run at a time; what an earlier one left half done is taken back first.

    `records_in` is where its records lie, None for the usual place. Errors as `opened`.
    """
    with _alone(path, lambda: events.info(f"waiting: another run changes {path}")):
        records = Records(path, records_in)
        _recover(path, records, events)
        with opened(path, runner, events) as root:
            yield Target(root, records, runner, events)


@contextmanager
def looked_at(path: Path, records_in: Path | None, runner: Runner, events: Events) -> Iterator[Target]:
    """The same for who only looks: nothing is locked, and nothing taken back."""
    records = Records(path, records_in)
    folders = records.all()
    if folders and read_record(folders[-1]).status is not Status.DONE:
        events.warning(f"an earlier run on {path} was interrupted: the next one will first take back what it had begun")
    with opened(path, runner, events) as root:
        yield Target(root, records, runner, events)


@contextmanager
def _alone(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """A lock on the directory or file itself: it needs no place, and none is left behind."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:  # what is wrong with it is told by who opens it
            yield
            return
        try:
            _lock(descriptor, waiting)
            # A file that was replaced while we waited is another one now.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                yield
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, waiting: Callable[[], None]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        return


def _recover(path: Path, records: Records, events: Events) -> None:
    records.sweep()
    folders = records.all()
    record = read_record(folders[-1]) if folders else None
    if record is None or record.status is Status.DONE:
        return
    folder = folders[-1]
    if record.form is not Form.DIRECTORY:
        if rewrite.recover(records, record, folder):
            events.warning(f"an earlier run on {path} was interrupted: nothing of it was done")
    else:
        with DirectoryRoot(path) as root:
            left = take_back(root, record, folder)
        if left:
            raise MalformedError(
                f"{path}: an earlier run was interrupted, and this was changed since: {', '.join(left)}",
                hint=f"put it right by hand (what was there is in {folder}), then remove that directory",
            )
        records.drop(folder)
        events.warning(f"an earlier run on {path} was interrupted: what it had begun was taken back")
