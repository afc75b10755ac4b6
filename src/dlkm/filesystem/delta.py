# SPDX-License-Identifier: GPL-2.0-or-later
"""How a file is made again from the one that took its place: what is still there is copied, the rest is kept."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from dlkm.core.errors import MalformedError
from dlkm.filesystem.copying import append_sparsely, create, data_ranges

CHUNK = 1 << 20  # bytes that are looked at at a time
BLOCK = 4096  # bytes that are kept or copied at least, where two files have one layout
_NOTHING = bytes(CHUNK)
_NOTHING_DIGEST = hashlib.sha256(_NOTHING).digest()


class Source(StrEnum):
    """Where a piece of the old file comes from."""

    NEW = "new"  # from `start` in the new file
    KEPT = "kept"  # the next of the kept bytes
    ZERO = "zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The next `size` bytes of the old file."""

    source: Source
    size: int
    start: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """`size` bytes that stand from `old` in the old file and from `new` in the new one."""

    old: int
    new: int
    size: int


def digest_of_content(path: Path) -> str:
    """A SHA-256 over the SHA-256 of each MiB, so that holes, which are zeroes, need not be read."""
    whole = hashlib.sha256()
    for _, chunk in _chunks(path):
        whole.update(_NOTHING_DIGEST if chunk is None else hashlib.sha256(chunk).digest())
    whole.update(path.stat().st_size.to_bytes(8, "big"))
    return whole.hexdigest()


def same_places(old: Path, new: Path) -> Iterator[Kept]:
    """What two files of one layout (images) have in common, block by block, neighbours joined."""
    start = end = 0
    pairs = zip(_chunks(old), _chunks(new), strict=False)
    for (place, before), (_, after) in pairs:
        for at, size in _equal(before, after):
            if place + at != end:
                yield from _kept(start, end)
                start = place + at
            end = place + at + size
    yield from _kept(start, end)


def write_kept(old: Path, kept: Sequence[Kept], into: Path) -> tuple[Piece, ...]:
    """Write to a new file the bytes of `old` that are in no `kept`, packed; how the old one is made again.

    No byte of the old file is in two of `kept`.
    """
    pieces: list[Piece] = []
    place, size = 0, old.stat().st_size
    with old.open("rb") as source, create(into) as raw, _packer(raw) as sink:
        for one in (*sorted(kept, key=lambda one: one.old), Kept(size, 0, 0)):
            pieces += _keep(source, place, one.old - place, sink)
            if one.size:
                pieces.append(Piece(source=Source.NEW, size=one.size, start=one.new))
            place = one.old + one.size
    return tuple(pieces)


def rebuild(new: Path, kept: Path, pieces: Iterable[Piece], into: Path) -> None:
    """Write the old file, with holes where it had nothing but zeroes; MalformedError when something is missing."""
    with new.open("rb") as source, kept.open("rb") as raw, _unpacker(raw) as rest, create(into) as sink:
        for piece in pieces:
            if piece.source is Source.NEW:
                append_sparsely(source, piece.start, piece.size, sink)
            elif piece.source is Source.ZERO:
                sink.seek(piece.size, os.SEEK_CUR)
            else:
                _take(rest, piece.size, sink)
        sink.truncate()


def _keep(source: BinaryIO, start: int, size: int, sink: BinaryIO) -> Iterator[Piece]:
    source.seek(start)
    while size:
        chunk = source.read(min(size, CHUNK))
        if not chunk:
            raise MalformedError(f"{source.name}: became shorter meanwhile")
        size -= len(chunk)
        if chunk == _NOTHING[: len(chunk)]:
            yield Piece(source=Source.ZERO, size=len(chunk))
        else:
            sink.write(chunk)
            yield Piece(source=Source.KEPT, size=len(chunk))


def _take(rest: BinaryIO, size: int, sink: BinaryIO) -> None:
    while size:
        chunk = rest.read(min(size, CHUNK))
        if not chunk:
            raise MalformedError("the record's kept bytes are cut off")
        sink.write(chunk)
        size -= len(chunk)


def _packer(raw: BinaryIO) -> BinaryIO:
    import zstandard

    return zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False)


def _unpacker(raw: BinaryIO) -> BinaryIO:
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(raw, closefd=False)


def _equal(before: bytes | None, after: bytes | None) -> Iterator[tuple[int, int]]:
    """Where two chunks are alike: place and size."""
    old = _NOTHING if before is None else before
    new = _NOTHING if after is None else after
    common = min(len(old), len(new))
    if old == new:
        yield 0, common
        return
    for at in range(0, common, BLOCK):
        size = min(BLOCK, common - at)
        if old[at : at + size] == new[at : at + size]:
            yield at, size


def _kept(start: int, end: int) -> Iterator[Kept]:
    if end > start:
        yield Kept(start, start, end - start)


def _chunks(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """A file by CHUNK bytes: the place of each, and its bytes; None for one that is whole and all zeroes."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        place = 0
        for start, end in chain(data_ranges(stream, 0, size), [(size, size)]):
            while place + CHUNK <= start:
                yield place, None
                place += CHUNK
            while place < end:
                chunk = os.pread(stream.fileno(), min(CHUNK, size - place), place)
                if not chunk:
                    raise MalformedError(f"{path}: became shorter meanwhile")
                yield place, None if chunk == _NOTHING else chunk
                place += len(chunk)
