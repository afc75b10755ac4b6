# SPDX-License-Identifier: GPL-2.0-or-later
"""Packed streams: what is packed comes out again, within bounds, and where one ends."""

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from dlkm.core.errors import MalformedError
from dlkm.core.processes import Processes
from dlkm.filesystem.packing import PEEK, Packing, pack, packing_of, peek, skip_zeroes, unpack_stream, unpack_streams

PACKERS: dict[Packing, Callable[[bytes], bytes]] = {
    Packing.GZIP: gzip.compress,
    Packing.XZ: lzma.compress,
    Packing.ZSTD: zstandard.ZstdCompressor(write_checksum=True).compress,
    Packing.BZIP2: bz2.compress,
    Packing.LZMA: lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
DATA = b"text " * 5000


@pytest.mark.parametrize("packing", PACKERS)
def test_one_stream_and_what_follows_it(packing: Packing) -> None:
    packed = PACKERS[packing](DATA)
    assert packing_of(packed[:16]) is packing
    source, sink = io.BytesIO(b"before" + packed + b"\0\0\0behind"), io.BytesIO()
    source.seek(6)
    unpack_stream(source, packing, sink, "x", 1 << 20)
    assert sink.getvalue() == DATA
    skip_zeroes(source)
    assert source.read() == b"behind"
    assert peek(io.BytesIO(packed), packing, "x") == DATA[:PEEK]


@pytest.mark.parametrize("packing", PACKERS)
def test_bombs_and_damage(packing: Packing) -> None:
    bomb = PACKERS[packing](bytes(4 << 20))
    with pytest.raises(MalformedError, match="more than is sensible"):
        unpack_stream(io.BytesIO(bomb), packing, io.BytesIO(), "x", 1 << 20)
    packed = PACKERS[packing](os.urandom(5000))
    for wrong in (packed[:-3], packed[:20], packed[:100] + bytes(100) + packed[200:]):
        with pytest.raises(MalformedError, match="data is damaged"):
            unpack_stream(io.BytesIO(wrong), packing, io.BytesIO(), "x", 1 << 20)


def test_several_streams_are_one() -> None:
    sink = io.BytesIO()
    unpack_streams(io.BytesIO(gzip.compress(b"a") + gzip.compress(b"b") + bytes(9)), Packing.GZIP, sink, "x", 100)
    assert sink.getvalue() == b"ab"
    with pytest.raises(MalformedError, match="something else follows"):
        unpack_streams(io.BytesIO(gzip.compress(b"a") + b"else"), Packing.GZIP, sink, "x", 100)


@pytest.mark.parametrize("packing", [Packing.GZIP, Packing.ZSTD, Packing.BZIP2, Packing.LZMA, Packing.LZ4])
def test_what_is_packed_comes_out_again(tmp_path: Path, packing: Packing) -> None:
    """xz, which is a program, is tried with the images."""
    data = os.urandom(1 << 16) + bytes(9 << 20)
    (tmp_path / "old").write_bytes(gzip.compress(b"old"))
    packed = []
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(data)
        packed.append(pack(tmp_path / name, packing, tmp_path / "old", 0, Processes()))
    assert packed[0].read_bytes() == packed[1].read_bytes()
    sink = io.BytesIO()
    with packed[0].open("rb") as source:
        unpack_stream(source, packing, sink, "x", 1 << 30)
    assert sink.getvalue() == data


def test_lzo_is_only_unpacked(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(MalformedError, match="nothing here packs lzo"):
        pack(tmp_path / "x", Packing.LZO, tmp_path / "old", 0, Processes())


@pytest.mark.parametrize("level", [1, 6, 9])
def test_gzip_is_as_small_or_as_fast_as_it_was(tmp_path: Path, level: int) -> None:
    text = b"".join(b"%d squared is %d\n" % (number, number * number) for number in range(20_000))
    (tmp_path / "old").write_bytes(b"in front" + gzip.compress(b"old", level))
    (tmp_path / "new").write_bytes(text)
    packed = pack(tmp_path / "new", Packing.GZIP, tmp_path / "old", len("in front"), Processes())
    behind_the_header = slice(10, None)
    assert packed.read_bytes()[behind_the_header] == gzip.compress(text, level)[behind_the_header]
