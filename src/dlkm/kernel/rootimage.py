# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem in a file (ext2 to ext4, tar, initramfs): what of it is a kernel's, into the pool."""

from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.core.events import Events
from dlkm.core.processes import Runner
from dlkm.filesystem.members import lay_out
from dlkm.filesystem.opening import open_holder
from dlkm.filesystem.place import Kind
from dlkm.kernel import rooted
from dlkm.kernel.adopt import adopt, free_id, present
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import Unpacked

FOLDERS = ("boot", "lib/modules", "usr/lib/modules", "etc/modprobe.d", "etc/modules-load.d")


def add(path: Path, pool: Pool, events: Events, runner: Runner) -> tuple[Kernel, ...]:
    """The kernels that are installed in the image, in the pool; the same ones as long as the file is the same.

    MalformedError: no image that can be read; UsageError: no kernel in it; MissingToolError: debugfs, bubblewrap.
    """
    where = path.resolve()
    status = where.stat()
    origin = f"rootfs:{where}"
    # Reading gigabytes for a digest each time would take longer than all the rest: size and time stand for them.
    packages = (Unpacked(name=where.name, version=f"{status.st_size}-{status.st_mtime_ns}", sha256=""),)
    known = tuple(
        kernel
        for entry in pool.list()
        if entry.origin == origin
        and entry.packages == (f"{packages[0].name}={packages[0].version}",)
        and (kernel := present(pool, entry.release, packages, origin)) is not None
    )
    return known or _added(where, origin, packages, pool, events, runner)


def _added(
    image: Path, origin: str, packages: tuple[Unpacked, ...], pool: Pool, events: Events, runner: Runner
) -> tuple[Kernel, ...]:
    with pool.locked("0-rootfs", events), pool.scratch("0-rootfs") as made:
        tree = made / "tree"
        with events.task(f"reading {image.name}"):
            tree.mkdir()
            _unpack(image, tree, made, runner)
        releases = rooted.releases_in(tree)
        if not releases:
            raise UsageError(f"{image}: no kernel's modules below lib/modules or usr/lib/modules")
        return tuple(_put(tree, release, origin, packages, pool, events) for release in releases)


def _put(tree: Path, release: str, origin: str, packages: tuple[Unpacked, ...], pool: Pool, events: Events) -> Kernel:
    """One of the image's kernels; each gets what there is of the root, but for the modules of the others."""
    name = free_id(pool, release, origin, "rootfs")
    with pool.locked(name, events), pool.scratch(name) as made:
        _copy(tree, made / "tree", release)
        kernel = rooted.kernel_in(made / "tree", release, origin=origin)
        return adopt(pool, name, kernel, made, packages)


def _copy(tree: Path, target: Path, release: str) -> None:
    import os
    import shutil

    others = set(rooted.releases_in(tree)) - {release}

    def left_out(folder: str, names: list[str]) -> set[str]:
        return others & set(names) if folder.endswith("/modules") else set()

    def link(source: str, place: str) -> str:
        os.link(source, place, follow_symlinks=False)
        return place

    shutil.copytree(tree, target, symlinks=True, ignore=left_out, copy_function=link)


def _unpack(image: Path, tree: Path, scratch: Path, runner: Runner) -> None:
    """What a kernel consists of, and the links on the way there, of which a merged /usr has some."""
    holder = open_holder(image, scratch, runner)
    for folder in FOLDERS:
        names = folder.split("/")
        above = ["/".join(names[:length]) for length in range(1, len(names) + 1)]
        links = [path for path in above if (member := holder.members.look(path)) and member.kind is Kind.LINK]
        below = [path for path, _member in holder.members.below(holder.members.place(folder))]
        lay_out(holder, [*links, *below], tree)
