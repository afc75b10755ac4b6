# SPDX-License-Identifier: GPL-2.0-or-later
"""The output directory of a cell: made aside and then put in its place, so that nobody sees half of one."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.core.files import cannot_write, scratch_dir
from dlkm.core.records import PROOF, VERDICT
from dlkm.source.leftovers import RECORD

_TRIES = 100


def output_directory(output: Path, identity: str) -> Path:
    """Where the cell of that id goes below `output`."""
    return output / identity.replace("/", "-")


def ensure_replaceable(target: Path) -> None:
    """UsageError when something lies there that no build made: it is not ours to replace."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target} is in the way", hint="choose another directory with -o")
    if target.is_dir() and not (target / RECORD).is_file() and next(target.iterdir(), None) is not None:
        raise UsageError(f"{target} holds something that no build made", hint="choose another directory with -o")


@contextmanager
def prepared(target: Path) -> Iterator[Path]:
    """A new directory that takes the place of `target` when the block ends well, and is gone when it does not.

    What is recorded there of verdicts and proofs moves in with it: whether it still holds of the new modules is told by
    their content (core/records.py).
    """
    with scratch_dir(target.parent, prefix=f".{target.name}.") as aside:
        new = aside / "new"
        new.mkdir(mode=0o755)
        try:
            yield new
            _take_over(target, new)
            _put_in_place(new, target, aside / "old")
        except OSError as error:
            raise cannot_write(target, error) from error


def _take_over(target: Path, new: Path) -> None:
    for name in (VERDICT, PROOF):
        if (target / name).is_file() and not (target / name).is_symlink():
            shutil.copyfile(target / name, new / name)


def _put_in_place(new: Path, target: Path, old: Path) -> None:
    """Another build may be doing the same: whoever comes last wins, whole."""
    for number in range(_TRIES):
        if target.exists():
            with suppress(FileNotFoundError):
                target.rename(old.with_name(f"old-{number}"))
        try:
            new.rename(target)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or number == _TRIES - 1:
                raise
        else:
            return


def move_tree(source: Path, target: Path) -> None:
    """Take over an install root, links as they are, when anything is in it."""
    if next(source.iterdir(), None) is not None:
        shutil.copytree(source, target, symlinks=True)
