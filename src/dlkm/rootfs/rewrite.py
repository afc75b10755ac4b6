# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries a plan out on a file that holds a root filesystem: a changed copy is written, looked at, and takes its place.

The copy lies beside the file until it is renamed, so that there is never half a file; the record has what the old file
had and the new one has not.
"""

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dlkm.core.errors import DlkmError, MalformedError
from dlkm.core.events import Events
from dlkm.core.files import cannot_write, held_dir, temporary_dir
from dlkm.core.processes import Runner
from dlkm.filesystem.change import Change
from dlkm.filesystem.delta import Kept, digest_of_content, rebuild, write_kept
from dlkm.filesystem.place import Kind
from dlkm.filesystem.rewriting import rewrite
from dlkm.rootfs.apply import undisturbed
from dlkm.rootfs.keeping import beside
from dlkm.rootfs.opened import opened
from dlkm.rootfs.plan import DIRECTORY_MODE, Action, Operation, Plan
from dlkm.rootfs.record import BEFORE, Owned, Record, Rewritten, Status, encoded, step_of, write_record
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import HeldRoot, Root

_KEPT = "bytes"


def apply(plan: Plan, root: HeldRoot, records: Records, epoch: int | None, runner: Runner, events: Events) -> Path:
    """Do it; where the record lies. Errors as rootfs.apply; the file is as it was after any of them."""
    target, folder = records.target, records.begin()
    record = _begun(plan, root, folder)
    new = _beside(target, record)
    replaced = False
    try:
        write_record(record, folder)
        with events.task(f"writing {target.name}"), held_dir(temporary_dir(), "dlkm-rewrite-") as scratch:
            when = int(time.time()) if epoch is None else epoch
            kept = rewrite(root.holder, [_change(one) for one in plan.operations], new, when, scratch, runner)
            _verify(plan, new, root.path, runner)
            record = replace(record, rewritten=_rewritten(target, new, kept, folder))
        with undisturbed():
            write_record(record, folder)
            new.replace(target)
            replaced = True
            # Should this fail, the next run finds the new file in its place and says so itself.
            with suppress(DlkmError):
                write_record(replace(record, status=Status.DONE), folder)
    except BaseException as error:
        if not replaced:  # otherwise a signal that had waited
            with undisturbed(), suppress(OSError):
                if os.path.lexists(new):  # where nothing can be written, nothing can be unlinked either
                    new.unlink()
                records.drop(folder)
        if isinstance(error, OSError):
            raise cannot_write(target, error) from error
        raise
    return folder


def changed_since(target: Path, record: Record) -> Iterator[str]:
    """Why a staging cannot be taken back, in words; nothing where it can."""
    assert record.rewritten is not None
    if digest_of_content(target) != record.rewritten.after:
        yield f"{target.name}: is not what the staging left"


def undo(target: Path, record: Record, folder: Path) -> None:
    """Put the old file in the place of the new one, byte for byte; MalformedError where the record is damaged."""
    assert record.rewritten is not None
    new = _beside(target, record)
    replaced = False
    try:
        write_record(replace(record, status=Status.UNDOING), folder)
        _rebuild(target, record.rewritten, folder, new)
        with undisturbed():
            new.replace(target)
            replaced = True
    except BaseException as error:
        if not replaced:
            with undisturbed(), suppress(OSError, DlkmError):
                new.unlink(missing_ok=True)
                write_record(record, folder)
        if isinstance(error, OSError):
            raise cannot_write(target, error) from error
        raise


def recover(records: Records, record: Record, folder: Path) -> bool:
    """After a run that was killed: remove what it left beside the file, and its record where it came to nothing.

    Whether that was a staging. MalformedError where the file is neither what it was before nor after.
    """
    target = records.target
    _beside(target, record).unlink(missing_ok=True)
    found = digest_of_content(target) if record.rewritten is not None else ""
    if record.rewritten is None or found == record.rewritten.before:
        records.drop(folder)
    elif found == record.rewritten.after:
        write_record(replace(record, status=Status.DONE), folder)
        return False
    else:
        what = f"{target}: an earlier run was interrupted, and it was changed since"
        raise MalformedError(what, hint=f"remove {folder} to go on from what it is now")
    return record.status is Status.BEGUN


def _beside(target: Path, record: Record) -> Path:
    """Where the copy is written: on the same file system, under a name that says what it is."""
    return target.with_name(beside(target.name, record.mark, "new"))


def _begun(plan: Plan, root: HeldRoot, folder: Path) -> Record:
    return Record(
        number=int(folder.name),
        status=Status.BEGUN,
        mark=secrets.token_hex(4),
        form=root.form,
        target=str(root.path),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        steps=tuple(map(step_of, plan.operations)),
    )


def _change(operation: Operation) -> Change:
    content = operation.content
    if operation.action is Action.MKDIR:
        return Change(path=operation.path, kind=Kind.DIRECTORY, mode=DIRECTORY_MODE)
    if content is None:
        return Change(path=operation.path, kind=Kind.MISSING)
    if content.link:
        return Change(path=operation.path, kind=Kind.LINK, target=content.link)
    return Change(path=operation.path, kind=Kind.FILE, mode=content.mode, data=content.data, source=content.source)


def _verify(plan: Plan, new: Path, shown: Path, runner: Runner) -> None:
    """Read the new file as any other: all that was planned has to be in it."""
    with opened(new, runner, Events()) as root:
        wrong = [operation.path for operation in plan.operations if not _is_done(operation, root)]
    if wrong:
        names = ", ".join(wrong[:5])
        raise MalformedError(f"{shown}: the changed copy lacks {names}; a source may have changed meanwhile")


def _is_done(operation: Operation, root: Root) -> bool:
    place = root.place(operation.path, follow=False)
    content = operation.content
    if operation.action is Action.MKDIR:
        return place.kind is Kind.DIRECTORY
    if content is None:
        return place.kind is Kind.MISSING
    if content.link:
        return (place.kind, place.target) == (Kind.LINK, content.link)
    return place.kind is Kind.FILE and root.digest(place.path) == (content.sha256, content.mode)


def _rewritten(target: Path, new: Path, kept: tuple[Kept, ...], folder: Path) -> Rewritten:
    status = target.stat()
    owned = Owned(
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        xattrs=encoded(_attributes(target)),
    )
    _settle(new, owned)
    return Rewritten(
        owned=owned,
        before=digest_of_content(target),
        after=digest_of_content(new),
        pieces=write_kept(target, kept, folder / BEFORE / _KEPT),
    )


def _rebuild(target: Path, rewritten: Rewritten, folder: Path, new: Path) -> None:
    rebuild(target, folder / BEFORE / _KEPT, rewritten.pieces, new)
    if digest_of_content(new) != rewritten.before:
        raise MalformedError(f"{folder}: the record is damaged; {target} is as it was")
    _settle(new, rewritten.owned)
    os.utime(new, ns=(rewritten.owned.mtime_ns, rewritten.owned.mtime_ns))


def _settle(new: Path, owned: Owned) -> None:
    """Give it what the old file had beside its bytes, as far as we may, and see it on the disk."""
    with suppress(OSError):
        os.chown(new, owned.uid, owned.gid)
    for name, value in owned.attributes().items():
        with suppress(OSError):
            os.setxattr(new, name, value)
    new.chmod(owned.mode)
    descriptor = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _attributes(path: Path) -> dict[str, bytes]:
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError:
        return {}
