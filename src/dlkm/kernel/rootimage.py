# SPDX-License-Identifier: GPL-2.0-or-later
"""A root filesystem in a file (ext2 to ext4, tar, cpio): what of it is a kernel's, into the pool. Mounts nothing.

debugfs reads ext4 without root; it trusts the names it finds, so it runs where it can write one directory alone.
"""

from pathlib import Path

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import open_regular, remove_tree, tree_size
from dlkm.core.processes import Runner, bound_to_us, failed
from dlkm.core.tools import missing
from dlkm.kernel import archive, rooted
from dlkm.kernel.adopt import free_id, present, record_of
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import Unpacked

FOLDERS = ("boot", "lib/modules", "usr/lib/modules", "etc/modprobe.d", "etc/modules-load.d")
TIMEOUT = 600.0  # seconds that debugfs may take
_EXT_MAGIC, _EXT_AT = b"\x53\xef", 0x438  # s_magic of the superblock (fs/ext4/ext4.h)
_SQUASHFS = b"hsqs"
_LINK_LIMIT = 4096


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
            _unpack(image, tree, runner)
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
        return pool.put(record_of(name, kernel, made, packages), made)


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


def _unpack(image: Path, tree: Path, runner: Runner) -> None:
    with open_regular(image) as stream:
        start = stream.read(_EXT_AT + 2)
    if start[_EXT_AT:] == _EXT_MAGIC:
        _unpack_ext(image, tree, runner)
    elif start.startswith(_SQUASHFS):
        raise MalformedError(
            f"{image}: squashfs is not read here", hint=f"unsquashfs {image}, then rootfs:squashfs-root"
        )
    else:
        archive.unpack(image, tree, _is_wanted)


def _is_wanted(name: str) -> bool:
    """The folders, and the links that a merged /usr consists of."""
    return name in {"lib", "usr", "usr/lib"} or any(
        name == folder or name.startswith(f"{folder}/") for folder in FOLDERS
    )


def _unpack_ext(image: Path, tree: Path, runner: Runner) -> None:
    for program in ("debugfs", "bwrap"):
        if runner.find(program) is None:
            raise missing(program)
    tree.mkdir(parents=True)
    for folder in FOLDERS:
        target = tree / folder
        target.parent.mkdir(parents=True, exist_ok=True)
        done = runner.run(
            [
                *bound_to_us(runner),
                *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all"),  # noqa: S108
                *("--die-with-parent", "--new-session"),
                *("--ro-bind", image, "/tmp/image", "--bind", target.parent, "/tmp/out"),  # noqa: S108
                *("debugfs", "-R", f"rdump /{folder} /tmp/out", "/tmp/image"),  # noqa: S108
            ],
            timeout=TIMEOUT,
        )
        if not done.ok:
            raise failed(done, f"cannot read {image}", MalformedError)
        if tree_size(tree) > archive.LIMIT:
            remove_tree(tree)
            raise MalformedError(f"{image}: more than {archive.LIMIT} bytes below /{folder}")
