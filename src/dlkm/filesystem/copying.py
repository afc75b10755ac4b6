# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes from file to file by the kernel, never through memory as a whole; holes stay holes."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dlkm.core.errors import MalformedError

_MOST = 1 << 30  # bytes in one call
_FICLONE = 0x40049409  # include/uapi/linux/fs.h


def create(path: Path) -> BinaryIO:
    """A new file, which nobody else may read until it is given its mode."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb")


def copy_range(source: BinaryIO, start: int, size: int, target: Path) -> None:
    """`size` bytes from `start` as a new file; MalformedError when the source ends before."""
    with create(target) as sink:
        append_range(source, start, size, sink)


def append_range(source: BinaryIO, start: int, size: int, sink: BinaryIO) -> None:
    """`size` bytes from `start` to where the sink stands; MalformedError when the source ends before."""
    sink.flush()
    place = sink.tell()
    while size:
        done = _copy(source.fileno(), start, min(size, _MOST), sink.fileno(), place)
        if not done:
            raise MalformedError(f"{source.name}: is cut off: {size} bytes are missing", offset=start)
        start, size, place = start + done, size - done, place + done
    sink.seek(place)


def append_sparsely(source: BinaryIO, start: int, size: int, sink: BinaryIO) -> None:
    """The same with holes; the last one is one only once the sink is truncated where it stands."""
    if os.fstat(source.fileno()).st_size < start + size:
        raise MalformedError(f"{source.name}: is cut off: it has no {size} bytes", offset=start)
    place = start
    for begin, end in data_ranges(source, start, start + size):
        sink.seek(begin - place, os.SEEK_CUR)
        append_range(source, begin, end - begin, sink)
        place = end
    sink.seek(start + size - place, os.SEEK_CUR)


def copy_whole(source: Path, target: Path) -> None:
    """A new file with the same bytes and holes; where the file system can, both share their blocks."""
    with source.open("rb") as old, create(target) as new:
        with suppress(OSError):
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
            return
        append_sparsely(old, 0, os.fstat(old.fileno()).st_size, new)
        new.truncate()


def data_ranges(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where between two places a file has data; all of it on a file system that knows no holes.

    Moves the descriptor: who reads the stream besides says where from.
    """
    while start < end:
        try:
            begin = os.lseek(stream.fileno(), start, os.SEEK_DATA)
            stop = os.lseek(stream.fileno(), begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole until its end
                return
            begin, stop = start, end
        if begin >= end:
            return
        yield begin, min(stop, end)
        start = stop


def _copy(source: int, start: int, size: int, sink: int, place: int) -> int:
    try:
        return os.copy_file_range(source, sink, size, offset_src=start, offset_dst=place)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}:
            raise
        os.lseek(sink, place, os.SEEK_SET)
        return os.sendfile(sink, source, start, size)
