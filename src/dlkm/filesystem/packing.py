# SPDX-License-Identifier: GPL-2.0-or-later
"""Packed streams in files, unpacked to files, bounded in what comes out and in memory; and packed. Knows no archive."""

import bz2
import gzip
import lzma
import shutil
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from dlkm.core.errors import MalformedError
from dlkm.core.files import StorageError
from dlkm.core.processes import Runner, failed
from dlkm.core.tools import missing
from dlkm.filesystem.copying import create
from dlkm.ko.decompress import DECODERS, Compression, Decoder, Limited
from dlkm.ko.lz import LZ4_MAGIC, LZO_MAGIC, unlz4, unlzo

_CHUNK = 1 << 20  # bytes of output at a time
_AT_ONCE = 8  # times what a decoder is fed at a time in memory: 128 MiB come out of it at most
_MEMORY = 144 << 20  # bytes for xz's window, which is 64 MiB at most with its own presets
_WHOLE = 1 << 30  # bytes of a stream that is unpacked in memory (LZ4, LZO)
PEEK = 2048  # bytes that tell what a file is
_DAMAGED = (lzma.LZMAError, zlib.error, EOFError, ValueError)


class Packing(StrEnum):
    """How a file, or a part of it, is packed; the value is the suffix's word."""

    NONE = "none"
    GZIP = "gz"
    XZ = "xz"
    ZSTD = "zst"
    BZIP2 = "bz2"
    LZMA = "lzma"
    LZ4 = "lz4"  # its first form, as the kernel takes it
    LZO = "lzo"


# The kernel tells them by the same bytes (lib/decompress.c: compressed_formats).
_MAGIC = {
    b"\x1f\x8b": Packing.GZIP,
    b"\xfd7zXZ\0": Packing.XZ,
    b"\x28\xb5\x2f\xfd": Packing.ZSTD,
    b"BZh": Packing.BZIP2,
    b"\x5d\0\0": Packing.LZMA,
    LZ4_MAGIC: Packing.LZ4,
    LZO_MAGIC: Packing.LZO,
}


def packing_of(start: bytes) -> Packing:
    """By the first bytes (sixteen are enough)."""
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), Packing.NONE)


def peek(source: BinaryIO, packing: Packing, where: str) -> bytes:
    """The first bytes of what a file holds, `PEEK` of them where there are so many; errors as `unpack_stream`."""
    source.seek(0)
    if packing is Packing.NONE:
        return source.read(PEEK)
    found = b""
    try:
        for part in _parts(source, packing, where, _WHOLE):
            found += part[: PEEK - len(found)]
            if len(found) == PEEK:
                break
    except _DAMAGED as error:
        raise MalformedError(f"{where}: {packing} data is damaged: {error}") from error
    return found


def unpack_stream(source: BinaryIO, packing: Packing, sink: BinaryIO, where: str, limit: int) -> None:
    """One stream from where `source` stands, which then stands behind it; LZ4 and LZO go to the end of the file.

    MalformedError when it is damaged, cut off, or gives more than `limit` bytes.
    """
    try:
        for part in _parts(source, packing, where, limit):
            limit -= len(part)
            if limit < 0:
                raise MalformedError(f"{where}: unpacks to more than is sensible")
            sink.write(part)
    except _DAMAGED as error:
        raise MalformedError(f"{where}: {packing} data is damaged: {error}") from error


def unpack_streams(source: BinaryIO, packing: Packing, sink: BinaryIO, where: str, limit: int) -> None:
    """All streams to the end of the file as one; zeroes between and behind them are nothing. Errors as above."""
    while True:
        unpack_stream(source, packing, sink, where, limit - sink.tell())
        skip_zeroes(source)
        start = source.read(16)
        if not start:
            return
        if packing_of(start) is not packing:
            raise MalformedError(
                f"{where}: something else follows the {packing} data", offset=source.tell() - len(start)
            )
        source.seek(-len(start), 1)


def skip_zeroes(source: BinaryIO) -> None:
    """Go on to the next byte that is not zero, or to the end."""
    while block := source.read(_CHUNK):
        rest = len(block.lstrip(b"\0"))
        if rest:
            source.seek(-rest, 1)
            return


def _parts(source: BinaryIO, packing: Packing, where: str, limit: int) -> Iterator[bytes]:
    if packing in {Packing.LZ4, Packing.LZO}:
        unpack = unlz4 if packing is Packing.LZ4 else unlzo
        yield unpack(source.read(_WHOLE), where, min(limit, _WHOLE))
        return
    decoder = _DECODERS[packing]()
    while not decoder.eof:
        piece = source.read(decoder.piece * _AT_ONCE)
        if not piece:
            raise EOFError("it ends too early")
        yield from decoder.feed(piece)
    source.seek(-decoder.unused, 1)


_DECODERS: dict[Packing, Callable[[], Decoder]] = {
    Packing.GZIP: DECODERS[Compression.GZIP],
    Packing.XZ: DECODERS[Compression.XZ],
    Packing.ZSTD: DECODERS[Compression.ZSTD],
    Packing.BZIP2: lambda: Limited(bz2.BZ2Decompressor()),
    Packing.LZMA: lambda: Limited(lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MEMORY)),
}


def pack(plain: Path, packing: Packing, old: Path, start: int, runner: Runner) -> Path:
    """A file packed beside itself in one stream of the same kind as that which begins at `start` in `old`.

    Always the same bytes for the same ones. MalformedError for what can only be unpacked here (LZO); MissingToolError
    without xz, which uses all processors where the library has one.
    """
    packed = plain.with_name(f"{plain.name}.{packing}")
    if packing is Packing.XZ:
        _pack_xz(plain, _xz_check(old, start), runner)
        return packed
    with plain.open("rb") as source, create(packed) as sink:
        if packing is Packing.ZSTD:
            _pack_zstd(source, sink, plain.stat().st_size)
        elif packing is Packing.LZ4:
            _pack_lz4(source, sink)
        elif packing is Packing.GZIP:
            _pack_gzip(source, sink, _gzip_level(old, start))
        elif packing in _WRITERS:
            with _WRITERS[packing](sink) as writer:
                shutil.copyfileobj(source, writer, _CHUNK)
        else:
            hint = "unpack it first, and name what comes out"
            raise MalformedError(f"{old}: nothing here packs {packing}", hint=hint)
    return packed


_WRITERS: dict[Packing, Callable[[BinaryIO], Any]] = {
    Packing.BZIP2: lambda sink: bz2.BZ2File(sink, "wb"),
    Packing.LZMA: lambda sink: lzma.LZMAFile(sink, "wb", format=lzma.FORMAT_ALONE),  # noqa: SIM115 — who calls it closes it
}
_XZ_CHECKS = {0: "none", 1: "crc32", 4: "crc64", 10: "sha256"}  # the xz file format, section 2.1.1.2
_GZIP_LEVELS = {2: 9, 4: 1}  # RFC 1952, section 2.3.1: XFL
_GZIP_LEVEL = 6  # gzip's usual one
_ZSTD_LEVEL = 9  # initramfs-tools' own
_LZ4_BLOCK = 8 << 20  # lib/decompress_unlz4.c: LZ4_DEFAULT_UNCOMPRESSED_CHUNK_SIZE


def _pack_gzip(source: BinaryIO, sink: BinaryIO, level: int) -> None:
    with gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=sink, mtime=0) as writer:
        shutil.copyfileobj(source, writer, _CHUNK)


def _gzip_level(old: Path, start: int) -> int:
    """As small, or as fast, as the old stream says of itself that it was packed."""
    return _GZIP_LEVELS.get(_header(old, start, 9)[8], _GZIP_LEVEL)


def _pack_xz(plain: Path, check: str, runner: Runner) -> None:
    if runner.find("xz") is None:
        raise missing("xz")
    done = runner.run(["xz", "--keep", "--threads=0", f"--check={check}", plain])
    if not done.ok:
        raise failed(done, f"cannot pack {plain.name}", StorageError)


def _xz_check(old: Path, start: int) -> str:
    """The old stream's: the kernel takes no other than CRC32."""
    return _XZ_CHECKS.get(_header(old, start, 8)[7] & 0xF, "crc32")


def _header(old: Path, start: int, size: int) -> bytes:
    with old.open("rb") as stream:
        stream.seek(start)
        return stream.read(size)


def _pack_zstd(source: BinaryIO, sink: BinaryIO, size: int) -> None:
    import zstandard

    # As many threads on any machine, so that the bytes are the same.
    packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=2, write_checksum=True)
    packer.copy_stream(source, sink, size=size)


def _pack_lz4(source: BinaryIO, sink: BinaryIO) -> None:
    block_format: Any = import_module("lz4.block")  # it has no types
    sink.write(LZ4_MAGIC)
    while block := source.read(_LZ4_BLOCK):
        packed = block_format.compress(block, mode="high_compression", store_size=False)
        sink.write(len(packed).to_bytes(4, "little") + packed)
