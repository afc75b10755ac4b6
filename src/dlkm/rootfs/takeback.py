# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes a staging in a directory back by its record, however far it came. What was changed since stays as it is."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.filesystem.place import Kind
from dlkm.rootfs.keeping import State, beside, is_before, is_kept, put_back, state_of
from dlkm.rootfs.plan import Action
from dlkm.rootfs.record import BEFORE, Record, Step
from dlkm.rootfs.root import DirectoryRoot


def take_back(root: DirectoryRoot, record: Record, folder: Path) -> list[str]:
    """Undo each step that was done, the last first, then the times of directories; the paths where that failed."""
    left = []
    for step in reversed(record.steps):
        try:
            if not _undone(root, record, step, folder):
                left.append(step.path)
        except (FileNotFoundError, NotADirectoryError):  # the directory it lies in was never made, or is gone
            continue
        except (OSError, DlkmError):
            left.append(step.path)
    for one in record.folders:
        with suppress(OSError), root.directory(one.path) as directory:
            os.utime(f"/proc/self/fd/{directory}", ns=(one.mtime_ns, one.mtime_ns))
    return left


def changed_since(root: DirectoryRoot, record: Record, folder: Path) -> Iterator[str]:
    """What is no more as the staging left it, in words; nothing where all of it can be taken back."""
    made = {step.path for step in record.steps if step.action is not Action.REMOVE}
    for step in record.steps:
        if (
            step.before is not None
            and step.before.kept
            and not is_kept(step.before, folder / BEFORE / step.before.kept)
        ):
            yield f"{step.path}: the record has no more what was there before"
        state = _look(root, step)
        if step.action is Action.MKDIR:
            yield from _changed_folder(root, step, state, made)
        elif not _is_after(state, step):
            yield f"{step.path}: {_difference(state, step)}"


def _changed_folder(root: DirectoryRoot, step: Step, state: State, made: set[str]) -> Iterator[str]:
    if state.kind is not Kind.DIRECTORY:
        yield f"{step.path}: is no directory any more"
        return
    for entry in root.entries(step.path):
        if entry.path not in made:
            yield f"{entry.path}: was added, in a directory that the staging made"


def _difference(state: State, step: Step) -> str:
    if step.action is Action.REMOVE:
        return "was removed, and is there again"
    if state.kind is Kind.MISSING:
        return "is not there any more"
    same_bytes = state.kind is Kind.FILE and state.sha256 == step.sha256
    return "has another mode than it was given" if same_bytes else "is not what was put there"


def _look(root: DirectoryRoot, step: Step) -> State:
    folder, _, name = step.path.rpartition("/")
    try:
        with root.directory(folder) as directory:
            return state_of(name, directory)
    except FileNotFoundError:
        return State(Kind.MISSING)


def _is_after(state: State, step: Step) -> bool:
    if step.action is Action.REMOVE:
        return state.kind is Kind.MISSING
    if step.target:
        return state == State(Kind.LINK, target=step.target)
    return state == State(Kind.FILE, step.sha256, step.mode)


def _undone(root: DirectoryRoot, record: Record, step: Step, folder: Path) -> bool:
    """Take one step back; False where something lies there that neither was there before nor was put there."""
    parent, _, name = step.path.rpartition("/")
    with root.directory(parent) as directory:
        for what in ("new", "back"):
            left = beside(name, record.mark, what)
            # Looked for first: where nothing can be written, unlinking what is not there is an error too.
            if state_of(left, directory).kind is not Kind.MISSING:
                os.unlink(left, dir_fd=directory)
        state = state_of(name, directory)
        if step.action is Action.MKDIR:
            if state.kind is Kind.DIRECTORY:
                os.rmdir(name, dir_fd=directory)
            return state.kind in {Kind.DIRECTORY, Kind.MISSING}
        if step.before is None:
            return _removed(state, step, name, directory)
        if is_before(state, step.before):
            return True
        if state.kind is Kind.MISSING or _is_after(state, step):
            put_back(step.before, folder / BEFORE / step.before.kept, name, directory, record.mark)
            return True
    return False


def _removed(state: State, step: Step, name: str, directory: int) -> bool:
    if state.kind is Kind.MISSING:
        return True
    if not _is_after(state, step):
        return False
    os.unlink(name, dir_fd=directory)
    return True
