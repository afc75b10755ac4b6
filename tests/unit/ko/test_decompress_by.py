# SPDX-License-Identifier: GPL-2.0-or-later
"""What kernel images are packed with besides xz, zstd and gzip."""

import bz2
import tracemalloc

import pytest

from dlkm.core.errors import MalformedError
from dlkm.ko.decompress import Limited, decompress, decompress_by

SIZE = 96 << 20


def test_what_comes_out_is_in_memory_once() -> None:
    packed = bz2.compress(bytes(SIZE))
    tracemalloc.start()
    try:
        assert len(decompress_by(Limited(bz2.BZ2Decompressor()), packed + b"behind it", "image")) == SIZE
        assert tracemalloc.get_traced_memory()[1] < SIZE * 1.3
    finally:
        tracemalloc.stop()


def test_what_is_cut_off_damaged_or_too_much() -> None:
    packed = bz2.compress(bytes(100_000))
    for bad in (packed[:-1], packed[:20] + b"x" + packed[21:], b""):
        with pytest.raises(MalformedError, match="packed data is damaged"):
            decompress_by(Limited(bz2.BZ2Decompressor()), bad, "image")
    with pytest.raises(MalformedError, match="more than 1000 bytes"):
        decompress_by(Limited(bz2.BZ2Decompressor()), packed, "image", 1000)


def test_more_packed_bytes_than_may_come_out_are_not_looked_at() -> None:
    empty_blocks = b"\x28\xb5\x2f\xfd" + bytes(3 << 20)  # RFC 8878: raw blocks of no bytes, none of them the last
    with pytest.raises(MalformedError, match="no more than 1000 may come"):
        decompress(empty_blocks, "image", 1000)
