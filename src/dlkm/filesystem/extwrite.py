# SPDX-License-Identifier: GPL-2.0-or-later
"""A copy of an image of ext2 to ext4 with some members changed, by debugfs; e2fsck has the last word on it."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.core.files import StorageError, scratch_dir
from dlkm.core.processes import Runner, failed
from dlkm.filesystem import ext
from dlkm.filesystem.change import Change
from dlkm.filesystem.copying import copy_whole
from dlkm.filesystem.delta import Kept, same_places
from dlkm.filesystem.members import Members
from dlkm.filesystem.place import Kind

_FULL = ("Could not allocate", "No free space")
_HOST_FULL = os.strerror(errno.ENOSPC)  # of the disk that the image lies on
_SETS = ("uid 0", "gid 0")


def rewrite_ext(
    image: ext.ExtImage, changes: Sequence[Change], into: Path, when: int, scratch: Path, runner: Runner
) -> tuple[Kept, ...]:
    """Write a changed copy, sparse where the image is; what both have in common.

    MalformedError for an image that is not clean, has no room, or has no sound file system afterwards. StorageError
    where the disk beneath is full.
    """
    _require_clean(image.path)
    copy_whole(image.path, into)
    with scratch_dir(scratch) as out:
        commands = [f"set_current_time @{when}"]
        for number, change in enumerate(changes):
            if change.kind is Kind.FILE:
                _put_into(out / str(number), change)
            commands += _commands(change, f"/tmp/out/{number}", image.members, image.path)  # noqa: S108 — in the sandbox
        try:
            ext.ask(into, commands, out, runner, write=True)
        except MalformedError as error:
            what = error.what.replace(str(into), str(image.path))
            if _HOST_FULL in what:
                raise StorageError(f"cannot write {into}: {_HOST_FULL}") from error
            if any(word in what for word in _FULL):
                size = sum(change.size for change in changes if change.kind is Kind.FILE)
                hint = f"make it larger: truncate -s +{max(size >> 19, 1)}M {image.path} && resize2fs {image.path}"
                what = f"{image.path}: there is no room left in it for {size} bytes"
                raise MalformedError(what, hint=hint) from error
            raise MalformedError(what) from error
    _check(into, image.path, runner)
    return tuple(same_places(image.path, into))


def _require_clean(image: Path) -> None:
    trouble = ext.trouble_of(image)
    if trouble:
        raise MalformedError(f"{image}: {trouble}", hint=f"e2fsck -f {image}")


def _put_into(place: Path, change: Change) -> None:
    with place.open("xb") as sink:
        change.copy_to(sink)


def _commands(change: Change, source: str, members: Members, image: Path) -> Iterator[str]:
    """debugfs' words for one change; existing directories are named by their inodes."""
    folder, _, name = change.path.rpartition("/")
    yield from _enter(folder, members, image)
    word = _quoted(name, image)
    there = members.look(change.path)
    if there is not None and there.kind is not Kind.DIRECTORY:
        yield f"rm {word}"
    if change.kind is Kind.MISSING:
        return
    if change.kind is Kind.LINK:
        yield f"symlink {word} {_quoted(change.target, image)}"
    else:
        made = stat.S_IFDIR if change.kind is Kind.DIRECTORY else stat.S_IFREG
        yield f"mkdir {word}" if change.kind is Kind.DIRECTORY else f"write {source} {word}"
        yield f"sif {word} mode 0{made | change.mode:o}"
    for field in _SETS:
        yield f"sif {word} {field}"


def _enter(folder: str, members: Members, image: Path) -> Iterator[str]:
    known, new = folder, []
    while known and members.look(known) is None:
        known, _, name = known.rpartition("/")
        new.append(name)
    member = members.look(known)
    yield f"cd <{member.key if member is not None and known else ext.ROOT}>"
    for name in reversed(new):
        yield f"cd {_quoted(name, image)}"


def _quoted(name: str, image: Path) -> str:
    """A word for debugfs, in which a quote is written twice; MalformedError for what it takes for something else."""
    if not name.isprintable() or name.startswith("<") or len(name) > 1000:
        raise MalformedError(f"{image}: a file of the name {name!r} cannot be written into an image")
    return '"' + name.replace('"', '""') + '"'


def _check(copy: Path, image: Path, runner: Runner) -> None:
    done = ext.fsck(copy, runner)
    if done.ok:
        return
    if not ext.fsck(image, runner).ok:
        raise MalformedError(f"{image}: has errors", hint=f"see them by 'e2fsck -fn {image}', mend them by 'e2fsck -f'")
    raise failed(done, f"{image}: the changed copy is not sound; the image is as it was", MalformedError)
