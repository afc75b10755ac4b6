# SPDX-License-Identifier: GPL-2.0-or-later
"""How a payload is compressed: the same bytes for the same input, whatever the machine. Knows no package."""

import gzip
import io
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import BinaryIO, cast


class Compression(StrEnum):
    """Every dpkg and opkg reads gz, every dpkg and rpm in use xz; zst needs dpkg 1.21.18 and rpm 4.14."""

    GZ = "gz"
    XZ = "xz"
    ZST = "zst"


LEVELS = {Compression.GZ: 9, Compression.XZ: 6, Compression.ZST: 19}  # dpkg-deb's own


@contextmanager
def compressing(sink: BinaryIO, how: Compression) -> Iterator[BinaryIO]:
    """A stream whose bytes go compressed to `sink`, which stays open."""
    level = LEVELS[how]
    if how is Compression.GZ:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=sink, mtime=0) as stream:
            yield cast(BinaryIO, stream)
    elif how is Compression.XZ:
        # A check that the smallest decompressors know, busybox's among them.
        with lzma.LZMAFile(sink, "wb", check=lzma.CHECK_CRC32, preset=level) as stream:
            yield cast(BinaryIO, stream)
    else:
        import zstandard

        with zstandard.ZstdCompressor(level=level).stream_writer(sink, closefd=False) as stream:
            yield cast(BinaryIO, stream)


def compressed(data: bytes, how: Compression) -> bytes:
    """The same for bytes."""
    out = io.BytesIO()
    with compressing(out, how) as stream:
        stream.write(data)
    return out.getvalue()
