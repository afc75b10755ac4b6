# SPDX-License-Identifier: GPL-2.0-or-later
"""The two packings that only kernel images come in: LZ4 in its first form, and LZO. Bounded; knows no image."""

from collections.abc import Iterator
from ctypes import CDLL, byref, c_char_p, c_int, c_size_t, c_void_p, create_string_buffer
from functools import cache
from importlib import import_module
from typing import Any

from dlkm.core.errors import MalformedError

LZ4_MAGIC, LZO_MAGIC = b"\x02\x21\x4c\x18", b"\x89LZO\0\r\n\x1a\n"
_LZ4_BLOCK = 8 << 20  # bytes that a block gives at most (lib/decompress_unlz4.c)
_LZO_BLOCK = 256 << 10  # as lib/decompress_unlzo.c takes it
_LZO_FILTER = 0x800
_LZO_NEWER = 0x940  # from this version on the header has a level and the upper half of a time


def unlz4(data: bytes, where: str, limit: int) -> bytes:
    """The plain bytes of LZ4's legacy frames, one behind the other; MalformedError when damaged or above `limit`."""
    return _joined(_lz4_blocks(data, where), where, limit)


def unlzo(data: bytes, where: str, limit: int) -> bytes:
    """The plain bytes of what lzop wrote; errors as above, and MissingToolError without liblzo2."""
    return _joined(_lzo_blocks(data, where), where, limit)


def _joined(blocks: Iterator[bytes], where: str, limit: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    for block in blocks:
        total += len(block)
        if total > limit:
            raise MalformedError(f"{where}: unpacks to more than {limit} bytes")
        parts.append(block)
    return b"".join(parts)


def _lz4_blocks(data: bytes, where: str) -> Iterator[bytes]:
    block_format: Any = import_module("lz4.block")  # it has no types
    place = len(LZ4_MAGIC)
    while place + 4 < len(data):
        size = int.from_bytes(data[place : place + 4], "little")
        if data[place : place + 4] == LZ4_MAGIC:
            place += 4
            continue
        block = data[place + 4 : place + 4 + size]
        if not size or len(block) < size:
            raise MalformedError(f"{where}: LZ4 data is damaged: a block of {size} bytes", offset=place)
        try:
            yield block_format.decompress(block, uncompressed_size=_LZ4_BLOCK)
        except block_format.LZ4BlockError as error:
            raise MalformedError(f"{where}: LZ4 data is damaged: {error}", offset=place) from error
        place += 4 + size


def _lzo_blocks(data: bytes, where: str) -> Iterator[bytes]:
    place = _lzo_start(data, where)
    while size := int.from_bytes(_piece(data, place, 4, where), "big"):
        packed = int.from_bytes(_piece(data, place + 4, 4, where), "big")
        if not 0 < packed <= size <= _LZO_BLOCK:
            raise MalformedError(f"{where}: LZO data is damaged: a block of {size} bytes", offset=place)
        block = _piece(data, place + 12, packed, where)
        yield block if packed == size else _lzo_block(block, size, where, place)
        place += 12 + packed


def _lzo_start(data: bytes, where: str) -> int:
    """Where the first block stands: behind versions, method, flags, mode, times, name and checksum."""
    place = len(LZO_MAGIC)
    newer = int.from_bytes(_piece(data, place, 2, where), "big") >= _LZO_NEWER
    place += 7 + newer
    filtered = int.from_bytes(_piece(data, place, 4, where), "big") & _LZO_FILTER
    place += (8 if filtered else 4) + 8 + (4 if newer else 0)
    return place + 1 + _piece(data, place, 1, where)[0] + 4


def _piece(data: bytes, place: int, size: int, where: str) -> bytes:
    piece = data[place : place + size]
    if len(piece) < size:
        raise MalformedError(f"{where}: LZO data is cut off", offset=place)
    return piece


def _lzo_block(block: bytes, size: int, where: str, place: int) -> bytes:
    plain, length = create_string_buffer(size), c_size_t(size)
    status = _lzo()(block, len(block), plain, byref(length), None)
    if status or length.value != size:
        raise MalformedError(f"{where}: LZO data is damaged (liblzo2: {status})", offset=place)
    return plain.raw


@cache
def _lzo() -> Any:
    """The decoder that looks where it writes."""
    from dlkm.core.tools import missing

    try:
        decode = CDLL("liblzo2.so.2").lzo1x_decompress_safe
    except OSError as error:
        raise missing("liblzo2") from error
    decode.argtypes = [c_char_p, c_size_t, c_char_p, c_void_p, c_void_p]
    decode.restype = c_int
    return decode
