# SPDX-License-Identifier: GPL-2.0-or-later
"""BLAKE3 of many files by several processes, one of which may begin before it is known what is asked. Loads little.

Who comes to a file first digests it: a byte a file in memory that all of them share says that it is taken. Two that
come at the same moment both digest it, and a file that is taken for another's is digested at the end: no harm.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from mmap import mmap
from stat import S_ISREG
from typing import TypeVar

from blake3 import blake3

from dlkm.core.suffixes import MODULE_SUFFIXES
from dlkm.core.walk import entries_below

FEW = 128  # files that one process digests sooner than a second is started

_LARGEST = 64 << 20  # bytes of a file that is looked at
_MOST = 20_000  # entries of directories that are gone through before it is known whether they matter
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe's writer is not waited for
_PIECE = memoryview(bytearray(1 << 18))  # a place that stays in the processor's cache
_PLACES = 1 << 20
_Read = TypeVar("_Read")


class Ahead:
    """A process that digests the modules below directories, last ones first, and what it shares with us.

    `since`: when it began, in nanoseconds since the epoch.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        from dlkm.core.children import Child

        self.since = time.time_ns()
        self.taken = mmap(-1, _PLACES)
        ours = os.getpid()
        self.child = Child.start(lambda: _go_ahead(folders, self.taken, ours))


_ahead: list[Ahead] = []


def begin(folders: Sequence[str]) -> None:
    """Begin with the modules below these directories, as somebody will probably ask for their digests."""
    _ahead.append(Ahead(folders))


def begun() -> int | None:
    """When that was, in nanoseconds since the epoch; None when nothing was begun."""
    return _ahead[0].since if _ahead else None


def leave() -> None:
    """Nobody asks for what was begun with."""
    if _ahead:
        gone = _ahead.pop()
        gone.taken[:] = b"\1" * _PLACES
        gone.child.abandon()


def digests_of(names: Sequence[str], jobs: int) -> list[str | None]:
    """What `digest` gives for each, by up to `jobs` processes; what was begun with counts as one of them."""
    if jobs == 1 or len(names) < FEW:
        return list(map(digest, names))
    from functools import partial

    from dlkm.core.children import Child

    taken = _ahead[0].taken if _ahead else mmap(-1, _PLACES)
    children = [Child.start(partial(_digests, names[::-1], taken)) for _ in range(jobs - 1 - len(_ahead))]
    children += [_ahead.pop().child] if _ahead else []
    told = _digests(names, taken)
    for child in children:
        told |= child.collect()
    return [told[name] if name in told else digest(name) for name in names]


def digest(path: str) -> str | None:
    """The BLAKE3 of a regular file; None for what `from_file` has nothing of."""
    return from_file(path, _blake3)


def from_file(path: str, read: Callable[[int, int], _Read]) -> _Read | None:
    """What `read` makes of a regular file, by its descriptor and size.

    None when it cannot be read, is very large, or its name is no UTF-8.
    """
    try:
        file = os.open(path.encode(), _OPEN)
    except (OSError, ValueError):  # UnicodeEncodeError is one, and so is a NUL in the name
        return None
    try:
        status = os.fstat(file)
        return read(file, status.st_size) if S_ISREG(status.st_mode) and status.st_size <= _LARGEST else None
    except OSError:
        return None
    finally:
        os.close(file)


def _blake3(file: int, size: int) -> str:
    told = blake3()
    for _ in range(size // len(_PIECE) + 1):
        told.update(_PIECE[: os.readv(file, [_PIECE])])
    return told.hexdigest()


def _digests(names: Iterable[str], taken: mmap) -> dict[str, str | None]:
    return {name: digest(name) for name in names if _take(name, taken)}


def _take(name: str, taken: mmap) -> bool:
    place = hash(name) % _PLACES  # the same in all processes that were forked from one
    if taken[place]:
        return False
    taken[place] = 1
    return True


def _go_ahead(folders: Sequence[str], taken: mmap, parent: int) -> dict[str, str | None]:
    """What is told by a process that ends when nobody is left to tell it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    told: dict[str, str | None] = {}
    for name in sorted(_modules(folders), reverse=True):
        if os.getppid() != parent:
            sys.exit(1)
        if _take(name, taken):
            told[name] = digest(name)
    return told


def _modules(folders: Sequence[str]) -> Iterator[str]:
    """As kernel/installed.py goes, but that it never unpacks, and gives up on what is no directory of modules."""
    for entry in islice(entries_below(folders), _MOST):
        if entry.name.endswith(MODULE_SUFFIXES) and not entry.is_dir(follow_symlinks=False):
            yield entry.path
