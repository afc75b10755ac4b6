# SPDX-License-Identifier: GPL-2.0-or-later
"""From .deb files to a kernel's tree that works wherever it lies. Fetches nothing and knows no pool."""

import os
import re
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from dlkm.core.errors import FetchError
from dlkm.core.events import Events, Task
from dlkm.core.files import StorageError, remove_tree, write_atomically
from dlkm.core.processes import Completed, Runner, bound_to_us, failed
from dlkm.core.tools import missing

TIMEOUT = 1800.0  # seconds a package
SMALL = 4096  # bytes: the headers' Makefile is one line
UNWANTED = ("usr/share",)  # documentation

_INCLUDE = re.compile(rb"^include /usr/src/([^/\s]+)/Makefile$", re.MULTILINE)


def unpack(debs: Sequence[Path], tree: Path, runner: Runner, events: Events) -> None:
    """Unpack packages into one tree, two at a time: the largest first beside the small ones.

    FetchError when one cannot be unpacked, StorageError when the disk is full, MissingToolError without dpkg-deb.
    """
    if runner.find("dpkg-deb") is None:
        raise missing("dpkg-deb")
    tree.mkdir(parents=True, exist_ok=True)
    waiting = deque(sorted(debs, key=lambda deb: deb.stat().st_size, reverse=True))
    stop = Event()
    total = sum(deb.stat().st_size for deb in debs)
    with events.task("unpacking", total) as task, ThreadPoolExecutor(max_workers=1) as pool:
        job = _Job(tree, runner, task, stop)
        # The other thread takes from the small end and looks at `stop`, so an interrupt here ends both soon.
        other = pool.submit(job.work, waiting, small_first=True)
        try:
            job.work(waiting, small_first=False)
            other.result()
        finally:
            stop.set()


class _Job:
    """Packages that are unpacked into one tree by several threads."""

    def __init__(self, tree: Path, runner: Runner, task: Task, stop: Event) -> None:
        self._tree, self._runner, self._task, self._stop = tree, runner, task, stop
        self._done = 0

    def work(self, waiting: deque[Path], *, small_first: bool) -> None:
        """Take packages until none is left or somebody says stop."""
        while not self._stop.is_set():
            try:
                deb = waiting.pop() if small_first else waiting.popleft()
            except IndexError:
                return
            argv: list[str | Path] = [*bound_to_us(self._runner), "dpkg-deb", "--extract", deb, self._tree]
            completed = self._runner.run(argv, timeout=TIMEOUT)
            if not completed.ok:
                self._stop.set()
                raise _unpack_error(completed, deb)
            self._done += deb.stat().st_size
            self._task.advance(self._done)


def relocate(tree: Path, release: str) -> None:
    """Make the tree independent of where it lies: nothing in it leads to the host's /usr/src or /lib/modules.

    It works below any directory and, bound to /usr/src, /usr/lib and /lib/modules, as on the target.
    """
    for name in UNWANTED:
        if lies_in(tree, tree / name):
            remove_tree(tree / name)
    for makefile in sorted(tree.glob("usr/src/linux-headers-*/Makefile")):
        if lies_in(tree, makefile) and makefile.is_file() and makefile.stat().st_size <= SMALL:
            _make_include_relative(makefile)
    if (tree / "usr/lib/modules").is_dir() and not (tree / "lib").exists():
        (tree / "lib").symlink_to("usr/lib")
    for name in ("build", "source"):
        _make_link_relative(tree, tree / "lib/modules" / release / name)


def _make_include_relative(makefile: Path) -> None:
    """Debian's headers include /usr/src/…-common/Makefile; the same, seen from the Makefile itself."""
    content = makefile.read_bytes()
    relative = _INCLUDE.sub(rb"include $(dir $(lastword $(MAKEFILE_LIST)))../\1/Makefile", content)
    if relative != content:
        write_atomically(makefile, relative)


def lies_in(tree: Path, path: Path) -> bool:
    """Whether it is really there: a package may hold links that lead anywhere."""
    try:
        return path.resolve().is_relative_to(tree.resolve())
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return False


def _make_link_relative(tree: Path, link: Path) -> None:
    if not link.is_symlink() or not lies_in(tree, link.parent):
        return
    target = str(link.readlink())
    if target.startswith("/"):
        folder = link.parent.resolve()
        link.unlink()
        link.symlink_to(os.path.relpath(tree.resolve() / target.lstrip("/"), folder))


def _unpack_error(completed: Completed, deb: Path) -> Exception:
    if b"No space left" in completed.errors or b"Disk quota" in completed.errors:
        return StorageError(f"the disk is full: {deb.name} cannot be unpacked; nothing was changed")
    return failed(completed, f"cannot unpack {deb.name}", FetchError)
