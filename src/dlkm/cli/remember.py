# SPDX-License-Identifier: GPL-2.0-or-later
"""What an answer of `dlkm check` rests on, so that it can be given again: only one that says yes and no more."""

import argparse
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dlkm
from dlkm.cli.recall import MANY, states_of
from dlkm.cli.selection import Selection
from dlkm.core.children import Child
from dlkm.core.walk import entries_below
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import NAME, PACK
from dlkm.kernel.rest import LIST
from dlkm.verdict.known import NAME as KNOWN
from dlkm.verdict.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from dlkm.cli.recall import States

_ENOUGH = 16  # files; fewer are judged anew as quickly
_ROOMS = ("cli", "core", "data", "filesystem", "kernel", "ko", "report", "verdict")
_LISTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")
# Of a root filesystem: where parts of a kernel are looked for.
_FOLDERS = ("", "boot", "lib", "lib/modules", "usr", "usr/lib", "usr/lib/modules")


class Around:
    """What an answer rests on, to be looked at. Of many files another process does it, beside what is left to do.

    It begins before they are judged where an earlier check has left what was found of the kernels' modules: then they
    are probably known by their bytes, nothing else is read, and nothing written. `since` is when the first file was
    read, in nanoseconds since the epoch.
    """

    def __init__(
        self, arguments: argparse.Namespace, kernels: Sequence[Kernel], selection: Selection, since: int
    ) -> None:
        self._arguments, self._kernels, self._since = arguments, kernels, since
        self._is_wanted = _is_wanted(arguments, kernels, selection)
        self._files = [path for kernel in kernels for path in selection.of(kernel)] if self._is_wanted else []
        self._child = self._begin(by_content=True) if self._is_many and all(map(_are_known, kernels)) else None

    def states(
        self, verdicts: Sequence[Verdict], more: Iterable[str], *, by_content: bool
    ) -> "Callable[[], States] | None":
        """What will give the states of all that these verdicts rest on, and of `more`; None where none is to be kept.

        `by_content`: the files were known by their bytes, and no installed module was read.
        """
        plain = all(one.outcome is Outcome.LOADS and not one.findings for one in verdicts)
        child = self._child
        if child is not None and not (plain and by_content):
            child.abandon()
            child = None
        if not plain or not self._is_wanted or not _ENOUGH <= len(verdicts) == len(self._files):
            return None
        if child is None and self._is_many:
            child = self._begin(by_content=by_content)
        grounds = self._grounds(by_content=by_content)
        others = child.collect if child is not None else partial(states_of, grounds, self._since)
        return lambda: states_of(more, self._since) | others()

    @property
    def _is_many(self) -> bool:
        return len(self._files) >= MANY and self._arguments.jobs > 1

    def _begin(self, *, by_content: bool) -> "Child[States]":
        return Child.start(lambda: states_of(self._grounds(by_content=by_content), self._since))

    def _grounds(self, *, by_content: bool) -> Iterator[str]:
        yield from self._files
        walked = {str(kernel.modules) for kernel in self._kernels}
        for word in self._arguments.paths:
            if word.rstrip("/") not in walked:
                yield from _folders(word)
        folders = {os.path.dirname(path) for path in self._files}  # noqa: PTH120 — thousands of them
        yield from folders
        # One that is not there yet changes its folder when it comes.
        yield from filter(os.path.exists, (f"{folder}/build.json" for folder in folders))
        yield from map(str, self._arguments.trusted_cert)
        for kernel in self._kernels:
            yield from _of_kernel(kernel, read=not by_content)
        yield from of_program("rootfs")


def _is_wanted(arguments: argparse.Namespace, kernels: Sequence[Kernel], selection: Selection) -> bool:
    """Whether an answer may be kept, if it says yes and no more."""
    reports = arguments.sarif is not None or arguments.junit is not None
    if arguments.kept_as is None or reports or selection.errors or selection.failed:
        return False
    ids = {kernel.id for kernel in kernels}
    named = all(word in ids or word.startswith("rootfs:") for word in arguments.kernels)
    patterns = any(map(glob.has_magic, arguments.paths))
    return named and not patterns and not (arguments.paths and selection.built) and all(map(_is_followed, kernels))


def _are_known(kernel: Kernel) -> bool:
    """Whether something was found of a kernel's modules before, in the pool."""
    return (Pool().home(kernel.id) / KNOWN).is_file()


def _is_followed(kernel: Kernel) -> bool:
    """Whether it is known where all that is known of a kernel comes from."""
    return kernel.origin.startswith(("debian:", "rootfs:")) and kernel.modules is not None and kernel.tree is not None


def _of_kernel(kernel: Kernel, *, read: bool) -> Iterator[str]:
    """All that is known of a kernel. `read`: the content of its installed modules, too, not only which there are."""
    pool = Pool()
    home = str(pool.home(kernel.id))
    yield from (home, *(f"{home}/{name}" for name in (NAME, PACK, LIST, KNOWN)))
    if kernel.origin.startswith("rootfs:"):
        yield str(pool.root)  # its id is one that no kernel of the pool has
    parts = (kernel.headers, kernel.source, kernel.image, kernel.symvers, kernel.config_file, kernel.modules)
    for part in parts:
        if part is not None:
            yield from (str(part), str(part.parent))
    assert kernel.modules is not None
    assert kernel.tree is not None
    yield from (f"{kernel.modules}/{name}" for name in _LISTS)
    for folder in _folders(str(kernel.modules)):
        yield from _all_in(folder) if read else (folder,)
    yield from (f"{kernel.tree}/{name}" for name in _FOLDERS)


def of_program(*rooms: str) -> Iterator[str]:
    """This program's rooms that every answer rests on, and these; and where the libraries lie that it loads."""
    home = Path(dlkm.__file__).parent
    for room in (*_ROOMS, *rooms):
        yield from _all_in(f"{home}/{room}")
    yield from {path for path in sys.path if path.endswith("-packages")}


def _folders(top: str) -> Iterator[str]:
    """A directory and all directories below it; links are not followed."""
    yield top
    yield from (entry.path for entry in entries_below([top]) if entry.is_dir(follow_symlinks=False))


def _all_in(folder: str) -> Iterable[str]:
    try:
        return [folder, *(f"{folder}/{name}" for name in os.listdir(folder) if name != "__pycache__")]  # noqa: PTH208
    except OSError:
        return [folder]
