# SPDX-License-Identifier: GPL-2.0-or-later
"""Compressed files to plain bytes, bounded in output and memory. What the bytes mean is not known here."""

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from io import SEEK_END, BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple, Protocol

from dlkm.core.errors import MalformedError
from dlkm.core.files import StorageError, cannot_write

try:
    import lzma_mt as lzma  # the same by a liblzma that takes two thirds of the time of Debian 12's
except ImportError:  # not made for every machine and every Python
    import lzma  # type: ignore[no-redef]

LIMIT = 232 << 20  # bytes of output; the largest modules with debug information are smaller
HELD = 64 << 20  # bytes of output that stay in memory: with a window as large as may be and all else below 300 MB
_CHUNK = 1 << 20  # bytes of output at a time
_STREAMS = 64  # in one file; a packer writes one
_WINDOW = 128 << 20  # bytes of the largest window that kernel images are packed with; modules have 8 MiB at most
_DAMAGED = (lzma.LZMAError, zlib.error, EOFError)
_MEMORY = _WINDOW + (16 << 20)  # bytes for the window and the decoder itself


class Compression(StrEnum):
    """How a file is packed; the value is the suffix's word."""

    NONE = "none"
    XZ = "xz"
    GZIP = "gz"
    ZSTD = "zst"


_MAGIC = {b"\xfd7zXZ\0": Compression.XZ, b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}
_SUFFIX = {".xz": Compression.XZ, ".gz": Compression.GZIP, ".zst": Compression.ZSTD}


def compression_of(start: bytes) -> Compression:
    """By the first bytes of a file (six are enough)."""
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), Compression.NONE)


def compression_of_name(name: str) -> Compression:
    """What a file's name says, whether or not it is true."""
    return _SUFFIX.get(PurePath(name).suffix, Compression.NONE)


def decompress(data: bytes, where: str, limit: int = LIMIT) -> bytes:
    """The plain bytes of an xz, gzip or zstd file (several streams in a row are one); anything else is returned as is.

    MalformedError when the data is damaged or cut off, or gives more than `limit` bytes; StorageError when it gives
    more than `HELD` and there is no place for that.
    """
    kind = compression_of(data)
    if kind is Compression.NONE:
        return data
    packed = _Packed(lambda start, size: data[start : start + size], len(data), kind)
    return _content(_gathered(_parts(packed, limit), f"{kind} data", where, limit))


def decompress_by(decoder: "Decoder", data: bytes, where: str, limit: int = LIMIT) -> bytes:
    """The same by a decoder of one stream, whatever follows it."""

    def parts() -> Iterator[bytes]:
        for start in range(0, len(data), decoder.piece):
            yield from decoder.feed(data[start : start + decoder.piece])
            if decoder.eof:
                return
        raise EOFError("it ends too early")

    return _content(_gathered(parts(), "packed data", where, limit))


def _content(held: BinaryIO) -> bytes:
    if isinstance(held, BytesIO):
        return held.getvalue()
    with held:
        held.seek(0)
        return held.read()


def unpack_file(file: BinaryIO, where: str, limit: int = LIMIT) -> bytes | mmap:
    """The same for an open file that is packed, whatever its size; what is large lies in a file without a name.

    OSError when it cannot be read.
    """
    number = file.fileno()
    kind = compression_of(os.pread(number, 6, 0))
    size = os.fstat(number).st_size
    packed = _Packed(lambda start, count: os.pread(number, count, start), size, kind)
    held = _gathered(_parts(packed, limit), f"{kind} data", where, limit)
    if isinstance(held, BytesIO):
        return held.getvalue()
    with held:
        return mmap(held.fileno(), 0, access=ACCESS_READ)


class _Packed(NamedTuple):
    """Where packed bytes come from: so many from there on, their number, and how they are packed."""

    read: Callable[[int, int], bytes]
    size: int
    kind: Compression


def _gathered(parts: Iterable[bytes], what: str, where: str, limit: int) -> BinaryIO:
    """All that comes out: in memory, or in a file where it is large."""
    whole: BinaryIO = BytesIO()  # grows in place, while parts that are joined are there twice
    try:
        for part in _within(limit, parts, where):
            if whole.tell() == 0:
                whole = BytesIO(part)  # takes it as it is: most modules come in one
                whole.seek(0, SEEK_END)
                continue
            if isinstance(whole, BytesIO) and whole.tell() + len(part) > HELD:
                whole = _laid_down(whole)
            _add(whole, part)
    except BaseException as error:
        whole.close()
        if isinstance(error, _DAMAGED):
            raise MalformedError(f"{where}: {what} is damaged: {error}") from error
        raise
    return whole


def _within(limit: int, parts: Iterable[bytes], where: str) -> Iterator[bytes]:
    total = 0
    for part in parts:
        total += len(part)
        if total > limit:
            raise MalformedError(f"{where}: unpacks to more than {limit} bytes")
        yield part


def _laid_down(held: BytesIO) -> BinaryIO:
    from tempfile import TemporaryFile

    try:
        file = TemporaryFile()  # noqa: SIM115 — whoever reads it closes it
    except OSError as error:
        raise _no_place(error) from error
    _add(file, held.getbuffer())
    return file


def _add(whole: BinaryIO, part: bytes | memoryview) -> None:
    try:
        whole.write(part)
        whole.flush()
    except OSError as error:
        raise _no_place(error) from error


def _no_place(error: OSError) -> StorageError:
    from tempfile import gettempdir

    return cannot_write(Path(gettempdir()), error)


def _parts(packed: _Packed, limit: int) -> Iterator[bytes]:
    """What comes out, in parts of some MiB at most, so that a bomb is noticed before it has grown.

    More bytes than may come out, and an eighth, are not looked at: they say nothing, over and over.
    """
    if packed.size > limit + limit // 8 + _CHUNK:
        raise EOFError(f"it has {packed.size} bytes, and no more than {limit} may come of them")
    at_once = packed.kind is Compression.ZSTD and packed.size <= HELD
    whole = _zstd_at_once(packed.read(0, packed.size), min(limit, HELD)) if at_once else None
    if whole is not None:
        yield whole
        return
    start = 0
    for _ in range(_STREAMS):
        decoder = DECODERS[packed.kind]()
        while not decoder.eof:
            piece = packed.read(start, decoder.piece)
            if not piece:
                raise EOFError("it ends too early")
            start += len(piece)
            yield from decoder.feed(piece)
        start = _behind_padding(packed, start - decoder.unused)
        if start >= packed.size:
            return
    raise EOFError(f"it has more than {_STREAMS} streams")


def _behind_padding(packed: _Packed, start: int) -> int:
    """Streams may be padded with zeroes (xz file format, section 2.2; gzip does the same)."""
    while piece := packed.read(start, _CHUNK if packed.read(start, 1) == b"\0" else 1):
        rest = len(piece.lstrip(b"\0"))
        start += len(piece) - rest
        if rest:
            break
    return start


class Decoder(Protocol):
    """One stream; `piece` is how many bytes it may be fed at a time without giving too much at once."""

    piece: int

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What these further bytes give; LZMAError, zlib.error or EOFError for damaged ones."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused(self) -> int:
        """How many of the bytes fed last lie behind its end."""


class Incremental(Protocol):
    """What the decoders of lzma and bz2 have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Limited:
    """A decoder of lzma or bz2, which gives no more at a time than it is asked for."""

    piece = 1 << 16

    def __init__(self, decoder: Incremental) -> None:
        self._decoder = decoder

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """As in `Decoder`."""
        try:
            yield self._decoder.decompress(piece, _CHUNK)
            while not self._decoder.eof and not self._decoder.needs_input:
                yield self._decoder.decompress(b"", _CHUNK)
        except OSError as error:  # what bz2 says of damaged data
            raise EOFError(str(error)) from error

    @property
    def eof(self) -> bool:
        """As in `Decoder`."""
        return self._decoder.eof

    @property
    def unused(self) -> int:
        """As in `Decoder`."""
        return len(self._decoder.unused_data)


class _Gzip:
    piece = 1 << 13  # deflate expands 1032 times at most

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        yield self._decoder.decompress(piece)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused(self) -> int:
        return len(self._decoder.unused_data)


class _Zstd:
    piece = 1 << 9  # four bytes can stand for a block of 128 KiB

    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        try:
            yield self._decoder.decompress(piece)
        except self._error as error:
            raise EOFError(str(error)) from error

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused(self) -> int:
        return len(self._decoder.unused_data)


DECODERS: dict[Compression, Callable[[], Decoder]] = {
    Compression.XZ: lambda: Limited(lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY)),
    Compression.GZIP: _Gzip,
    Compression.ZSTD: _Zstd,
}


def _zstd_at_once(data: bytes, limit: int) -> bytes | None:
    """The usual case in one call: a single frame that says its size. None when it is another, or is damaged."""
    import zstandard

    try:
        if not 0 < zstandard.frame_content_size(data) <= limit:
            return None
        decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        return decoder.decompress(data, allow_extra_data=False)
    except zstandard.ZstdError:
        return None
