# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpacking: the packers of the standard library and zstandard are the authority, a bomb is noticed early."""

import gzip
import lzma
import tracemalloc
from collections.abc import Callable

import lzma_mt
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.ko.decompress import (
    Compression,
    Incremental,
    Limited,
    compression_of,
    compression_of_name,
    decompress,
)


def _zstd_without_size(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(data)


PACKERS: list[tuple[Callable[[bytes], bytes], Compression]] = [
    (lzma.compress, Compression.XZ),
    (gzip.compress, Compression.GZIP),
    (zstandard.compress, Compression.ZSTD),
    (_zstd_without_size, Compression.ZSTD),
]
each_packer = pytest.mark.parametrize(("pack", "kind"), PACKERS)
DATA = bytes(range(256)) * 9000 + b"the end"


@each_packer
def test_gives_back_what_was_packed(pack: Callable[[bytes], bytes], kind: Compression) -> None:
    packed = pack(DATA)
    assert compression_of(packed) is kind
    assert decompress(packed, "x") == DATA


@each_packer
def test_several_streams_are_one_file(pack: Callable[[bytes], bytes], kind: Compression) -> None:
    assert decompress(pack(b"first ") + pack(b"") + pack(b"second"), "x") == b"first second"


def test_streams_may_be_padded_with_zeroes() -> None:
    assert decompress(lzma.compress(b"one") + bytes(8) + lzma.compress(b"two") + bytes(4), "x") == b"onetwo"


@each_packer
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_cut_off_data_is_malformed(pack: Callable[[bytes], bytes], kind: Compression, keep: float) -> None:
    packed = pack(DATA)
    with pytest.raises(MalformedError, match=f"x: {kind} data is damaged"):
        decompress(packed[: max(6, int(len(packed) * keep))], "x")


@each_packer
def test_trailing_bytes_of_another_kind_are_malformed(pack: Callable[[bytes], bytes], kind: Compression) -> None:
    with pytest.raises(MalformedError, match="damaged"):
        decompress(pack(DATA) + b"and more", "x")


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress])
def test_changed_data_is_malformed(pack: Callable[[bytes], bytes]) -> None:
    packed = bytearray(pack(DATA))
    packed[len(packed) // 2] ^= 0x10
    with pytest.raises(MalformedError, match="damaged"):
        decompress(bytes(packed), "x")


@each_packer
def test_a_bomb_stops_at_the_limit_and_takes_little_memory(pack: Callable[[bytes], bytes], kind: Compression) -> None:
    bomb = pack(bytes(100_000_000))
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match="unpacks to more than 1000000 bytes"):
            decompress(bomb, "x", limit=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_a_file_of_empty_streams_is_refused_soon() -> None:
    with pytest.raises(MalformedError, match="more than 64 streams"):
        decompress(gzip.compress(b"") * 100_000, "x")


def test_plain_bytes_pass() -> None:
    assert decompress(b"\x7fELF...", "x") == b"\x7fELF..."
    assert decompress(b"", "x") == b""


def test_names_tell_a_compression_of_their_own() -> None:
    names = {"a.ko": "none", "a.ko.xz": "xz", "a.ko.gz": "gz", "a.ko.zst": "zst", "a.zst.ko": "none"}
    assert {name: str(compression_of_name(name)) for name in names} == names


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress, _zstd_without_size])
def test_what_is_unpacked_is_held_once(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(DATA * 10)
    decompress(packed, "x")  # what is loaded for it stays
    tracemalloc.start()
    try:
        size = len(decompress(packed, "x"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * size + (9 << 20)  # xz looks back over 8 MiB, which its decoder holds


@given(st.binary(max_size=300), st.integers(0, 1 << 20), st.integers(1, 255), st.integers(0, 40))
def test_the_library_that_unpacks_xz_does_as_the_standard_one(data: bytes, place: int, change: int, cut: int) -> None:
    packed = bytearray(lzma.compress(data * 50))
    packed[place % len(packed)] ^= change
    packed = packed[: len(packed) - cut] if cut < len(packed) // 2 else packed
    assert _unpacked(lzma_mt.LZMADecompressor, bytes(packed)) == _unpacked(lzma.LZMADecompressor, bytes(packed))


def _unpacked(make: Callable[[int, int], Incremental], packed: bytes) -> tuple[bytes, bool, int] | None:
    """All that comes out, whether it ended there, and how much was left; None for damaged data."""
    decoder = Limited(make(lzma.FORMAT_XZ, 144 << 20))
    try:
        parts = list(decoder.feed(packed))
    except lzma.LZMAError:
        return None
    return b"".join(parts), decoder.eof, decoder.unused
