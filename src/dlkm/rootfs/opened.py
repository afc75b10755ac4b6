# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem opened, whatever holds it: a directory, an image of ext2 to ext4, a tar archive, an initramfs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlkm.core.events import Events
from dlkm.core.files import cannot_write, held_dir, temporary_dir
from dlkm.core.processes import Runner
from dlkm.filesystem.ext import trouble_of
from dlkm.filesystem.members import Form
from dlkm.filesystem.opening import open_holder
from dlkm.kernel import rooted
from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.root import DirectoryRoot, HeldRoot, Root

KERNEL_FOLDERS = ("boot", "lib/modules", "usr/lib/modules")


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


def kernels_in(root: Root) -> tuple[Kernel, ...]:
    """All kernels that are installed in it (modules, image, configuration); none where there are no modules."""
    _bring_kernels(root)
    return tuple(kernel_of(root, release) for release in rooted.releases_in(root.tree))


def kernel_of(root: Root, release: str) -> Kernel:
    """The kernel of a release as it is installed there; MalformedError where not even its architecture can be told."""
    _bring_kernels(root)
    return rooted.kernel_in(root.tree, release, origin=f"rootfs:{root.path}")


def _bring_kernels(root: Root) -> None:
    """Have at hand below `tree` what a kernel consists of."""
    for folder in KERNEL_FOLDERS:
        root.host_path(folder)
