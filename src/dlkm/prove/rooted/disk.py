# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk that a guest starts from: an ext4 image made of a directory without root, or an image as it is.

What the guest writes goes elsewhere (QEMU's snapshot=on), so that an image stays as it was.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.core.events import Events
from dlkm.core.files import StorageError
from dlkm.core.processes import Completed, Runner, bound_to_us, failed
from dlkm.core.tools import missing

BLOCK = 4096
ROOM = 256 << 20  # bytes that the guest may write
SPARE_INODES = 20_000
TIME_LIMIT = 3600.0  # seconds
# As kernels from 4.4 on read it; no discards and no zeroing: the file is sparse already.
_MKE2FS = ("mke2fs", "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-L", "root", "-J", "size=16",
           "-O", "^orphan_file,^metadata_csum_seed", "-E", "root_owner=0:0,lazy_itable_init=1,nodiscard")  # fmt: skip


@dataclass(slots=True)
class _Sizes:
    """What a directory holds; names in `ours` are owned by who owns the directory itself."""

    owner: tuple[int, int]
    size: int = 0
    inodes: int = 0


def disk_image(root: Path, folder: Path, runner: Runner, events: Events) -> Path:
    """The image to attach: an ext4 image is one already, that of a directory is made in `folder`.

    MissingToolError without mke2fs; UsageError when a file cannot be read by this user; StorageError when the disk is
    full.
    """
    if not root.is_dir():
        return root
    image = folder / "root.ext4"
    with events.task(f"making a disk of {root.name}"):
        _make(root, image, runner)
    return image


def _make(root: Path, image: Path, runner: Runner) -> None:
    for program in ("mke2fs", "debugfs"):
        if runner.find(program) is None:
            raise missing(program)
    status = root.stat()
    sizes = _Sizes(owner=(status.st_uid, status.st_gid))
    commands = "".join(_look(root, sizes))
    try:
        with image.open("wb") as stream:
            stream.truncate(sizes.size * 5 // 4 + ROOM)
    except OSError as error:
        raise StorageError(f"cannot make a disk of {root}: {error.strerror}") from error
    words = (*_MKE2FS, "-N", str(sizes.inodes + SPARE_INODES), "-d", root, image)
    done = runner.run([*bound_to_us(runner), *words], timeout=TIME_LIMIT)
    if not done.ok:
        raise _trouble(done, root)
    if sizes.owner != (0, 0):
        _give_to_root(commands, image, runner)


def _look(root: Path, sizes: _Sizes) -> Iterator[str]:
    """Counts what there is; debugfs's commands that give what its owner owns to the guest's root.

    A name that debugfs's syntax cannot hold keeps its owner.
    """
    for place, status in _entries(root):
        sizes.inodes += 1
        sizes.size += BLOCK + (-(-status.st_size // BLOCK) * BLOCK if stat.S_ISREG(status.st_mode) else 0)
        if '"' in place or "\n" in place:
            continue
        if status.st_uid == sizes.owner[0]:
            yield f'set_inode_field "/{place}" uid 0\n'
        if status.st_gid == sizes.owner[1]:
            yield f'set_inode_field "/{place}" gid 0\n'


def _entries(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below the root; links are not followed."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with suppress(OSError), os.scandir(root / folder) as entries:
            for entry in entries:
                place = f"{folder}/{entry.name}" if folder else entry.name
                yield place, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(place)


def _give_to_root(commands: str, image: Path, runner: Runner) -> None:
    script = image.with_name("owners")
    script.write_text(commands, "utf-8", "surrogateescape")
    done = runner.run([*bound_to_us(runner), "debugfs", "-w", "-f", script, image], timeout=TIME_LIMIT)
    if not done.ok:
        raise failed(done, f"giving the files of {image} to root", StorageError)


def _trouble(done: Completed, root: Path) -> Exception:
    words = done.errors.decode("utf-8", "replace")
    if "Permission denied" in words:
        return UsageError(
            f"{root}: holds files that this user may not read: {words.strip().splitlines()[-1]}",
            hint="run it as who owns them",
        )
    return failed(done, f"making a disk of {root}", StorageError)
