# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a minimal root filesystem once, keeps it, and copies it, with kernels in it, to where it is wanted."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.errors import DlkmError, FetchError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import cache_home, cannot_write, lock, remove_tree, scratch_dir, write_atomically
from dlkm.core.processes import Runner
from dlkm.kernel.apt import Package
from dlkm.kernel.demand import complete
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.unpack import unpack
from dlkm.rootfs.depmod import depmod, modules_dir
from dlkm.rootfs.minimal.fetch import Kind, Packages
from dlkm.rootfs.minimal.record import write_record
from dlkm.rootfs.minimal.settle import merge_usr, settle
from dlkm.rootfs.minimal.table import table, text
from dlkm.rootfs.root import DirectoryRoot

FORMAT = 1  # of what this code makes of the same packages
MOST_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes and keeps roots below `cache`."""

    runner: Runner
    events: Events
    cache: Path = field(default_factory=cache_home)

    def tree(self, kind: Kind) -> Path:
        """The kept root of that kind, made now when its packages are newer; nobody may change anything in it.

        Without the network, the last one made. FetchError when there is none; MissingToolError without apt and dpkg.
        """
        home = self.cache / "rootfs"
        latest = home / f"{_word(kind)}.json"
        packages = Packages(kind, self.cache / "apt", self.runner, self.events)
        with lock(home / "lock"):
            try:
                kept = self._newest(packages, kind, home)
                write_atomically(latest, json.dumps(kept.name))
            except FetchError as error:
                last = _last(latest)
                if last is None:
                    raise
                kept = last
                self.events.warning(f"{error.what}; using the root filesystem made before")
            os.utime(kept)
            _evict(home, but=kept)
        return kept

    def _newest(self, packages: Packages, kind: Kind, home: Path) -> Path:
        found = packages.all()
        kept = home / _key(kind, found)
        if not kept.is_dir():
            self._make(packages, found, home, kept)
        return kept

    def _make(self, packages: Packages, wanted: Sequence[Package], home: Path, kept: Path) -> None:
        with scratch_dir(home) as folder, scratch_dir(home) as downloads:
            debs = packages.download(wanted, downloads)
            root = folder / "root"
            unpack(debs, root, self.runner, self.events)
            with self.events.task("settling the root filesystem"):
                merge_usr(root)
                settle(root, table())
                write_record(root, debs)
            root.rename(kept)

    def put(self, kind: Kind, kernels: Sequence[Kernel], into: Path, *, linked: bool = False) -> None:
        """A root of that kind in the directory `into`, new or empty, with the kernels' images and modules; or nothing.

        `linked`: files share their bytes with the kept ones (where the file system allows that), for who replaces files
        and never writes in them.
        UsageError when something lies there, or a kernel is another architecture's or has no modules.
        """
        if into.is_symlink() or (into.exists() and (not into.is_dir() or any(into.iterdir()))):
            raise UsageError(f"{into}: is there already, and not an empty directory")
        for kernel in kernels:
            _check(kernel, kind)
        tree = self.tree(kind)
        with scratch_dir(into.absolute().parent, f".{into.name}-") as folder:
            root = folder / "root"
            try:
                _copy(tree, root, linked=linked)
                for kernel in kernels:
                    self._install(kernel, root, linked=linked)
                with suppress(FileNotFoundError):
                    into.rmdir()
                root.rename(into)
            except OSError as error:
                raise cannot_write(into, error) from error

    def _install(self, kernel: Kernel, root: Path, *, linked: bool) -> None:
        """Image, configuration and modules where Debian's packages put them, with depmod's files."""
        assert kernel.modules is not None
        for source, name in ((kernel.image, "vmlinuz"), (kernel.config_file, "config")):
            if source is not None:
                shutil.copyfile(source, root / "boot" / f"{name}-{kernel.release}")
        where = root / modules_dir(kernel.release)
        where.parent.mkdir(parents=True, exist_ok=True)
        complete(kernel.modules)
        _copy(kernel.modules, where, linked=linked)
        for name in ("build", "source"):  # lead to headers, which are not there
            (where / name).unlink(missing_ok=True)
        with DirectoryRoot(root) as opened:
            made = depmod(opened, kernel.release, runner=self.runner, events=self.events)
        for name, data in made.files.items():
            (where / name).unlink(missing_ok=True)
            (where / name).write_bytes(data)


def _check(kernel: Kernel, kind: Kind) -> None:
    if kernel.arch != kind.arch:
        raise UsageError(f"{kernel.id} is for {kernel.arch.name}, the root filesystem for {kind.arch.name}")
    if kernel.modules is None:
        raise UsageError(f"{kernel.id} has no modules to install")


def _copy(tree: Path, target: Path, *, linked: bool) -> None:
    def link(source: str, place: str) -> str:
        try:
            os.link(source, place, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EMLINK, errno.EPERM}:  # what cannot be linked there can be held
                raise
            shutil.copy2(source, place, follow_symlinks=False)
        return place

    shutil.copytree(tree, target, symlinks=True, copy_function=link if linked else shutil.copy2)


def _word(kind: Kind) -> str:
    include = hashlib.sha256(" ".join(sorted(kind.include)).encode()).hexdigest()[:8] if kind.include else "minimal"
    return f"{kind.suite}-{kind.arch.debian}-{include}"


def _key(kind: Kind, packages: Sequence[Package]) -> str:
    facts = (FORMAT, text(), sorted((package.name, package.sha256) for package in packages))
    return f"{_word(kind)}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _last(latest: Path) -> Path | None:
    try:
        kept = latest.with_name(str(json.loads(latest.read_text("utf-8"))))
    except (OSError, ValueError):
        return None
    return kept if kept.is_dir() else None


def _evict(home: Path, but: Path) -> None:
    """The least recently used go when they are many."""
    kept = [path for path in home.iterdir() if path.is_dir() and not path.name.startswith("tmp-") and path != but]
    for old in sorted(kept, key=lambda path: path.stat().st_mtime, reverse=True)[MOST_KEPT - 1 :]:
        with suppress(DlkmError, OSError):
            remove_tree(old)
