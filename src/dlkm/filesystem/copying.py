# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes from file to file by the kernel, never through memory as a whole."""

import os
from pathlib import Path
from typing import BinaryIO

from dlkm.core.errors import MalformedError

_MOST = 1 << 30  # bytes in one call


def copy_range(source: BinaryIO, start: int, size: int, target: Path) -> None:
    """`size` bytes from `start` as a new file; MalformedError when the source ends before."""
    with target.open("xb") as sink:
        append_range(source, start, size, sink)


def append_range(source: BinaryIO, start: int, size: int, sink: BinaryIO) -> None:
    """`size` bytes from `start` to where the sink stands; MalformedError when the source ends before."""
    sink.flush()
    while size:
        done = _copy(source.fileno(), start, min(size, _MOST), sink.fileno())
        if not done:
            raise MalformedError(f"{source.name}: is cut off: {size} bytes are missing", offset=start)
        start, size = start + done, size - done


def _copy(source: int, start: int, size: int, sink: int) -> int:
    try:
        return os.copy_file_range(source, sink, size, offset_src=start)
    except OSError:  # two file systems that cannot
        return os.sendfile(sink, source, start, size)
