# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem opened, whatever holds it: a directory, an image of ext2 to ext4, a tar archive, an initramfs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlkm.core.events import Events
from dlkm.core.files import cannot_write, held_dir, temporary_dir
from dlkm.core.processes import Runner
from dlkm.filesystem.members import Form
from dlkm.rootfs.root import DirectoryRoot, HeldRoot, Root


@contextmanager
def opened(path: Path, runner: Runner, events: Events) -> Iterator[Root]:
    """The root filesystem at `path`. What has to be unpacked lies in the temporary directory until it is closed.

    UsageError for what does not exist; MalformedError for a file that is no root filesystem, is damaged or cut off;
    MissingToolError where debugfs or bubblewrap is needed and missing; StorageError where there is no room to unpack.
    """
    if not path.exists() or path.is_dir():
        with DirectoryRoot(path) as root:
            yield root
        return
    from dlkm.filesystem.ext import trouble_of
    from dlkm.filesystem.opening import open_holder

    with held_dir(temporary_dir(), "dlkm-rootfs-") as scratch:
        with events.task(f"reading {path.name}"):
            try:
                holder = open_holder(path, scratch, runner)
            except OSError as error:
                raise cannot_write(scratch, error) from error
        if holder.form is Form.EXT and (trouble := trouble_of(path)):
            events.warning(f"{path} {trouble}; it is read as it lies there (e2fsck -f {path} mends it)")
        yield HeldRoot(path, holder, scratch / "tree")


def require(path: Path) -> None:
    """UsageError where there is nothing, before anything that takes long is done for it."""
    if not path.exists():
        with DirectoryRoot(path):
            pass
