# SPDX-License-Identifier: GPL-2.0-or-later
"""The header of an .rpm: numbered values, read from and written to bytes. Knows no package.

Source of the format: rpm's docs/manual/format_header.md and lib/header.cc (hdrblobInit).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"
MOST_TAGS = 0xFFFF
LIMIT = 64 << 20  # bytes of a header's store; a kernel's with ten thousand files has two million
_INTRO, _ENTRY = 16, 16  # bytes before the index, and of each entry of it


class Type(IntEnum):
    """What a value is."""

    INT8 = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    STRING = 6
    BIN = 7
    STRING_ARRAY = 8
    I18NSTRING = 9


_SIZES = {1: 1, Type.INT8: 1, Type.INT16: 2, Type.INT32: 4, Type.INT64: 8}
_FORMATS = {1: "B", Type.INT8: "B", Type.INT16: "H", Type.INT32: "I", Type.INT64: "Q"}
_STRINGS = frozenset({Type.STRING, Type.STRING_ARRAY, Type.I18NSTRING})

Value = tuple[int, ...] | tuple[str, ...] | bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A header as it was read."""

    values: Mapping[int, Value]

    def text(self, tag: int) -> str:
        """A string, the first of several; "" where there is none."""
        return next(iter(self.texts(tag)), "")

    def texts(self, tag: int) -> tuple[str, ...]:
        """Strings; none where there is no such tag, or it holds no strings."""
        found = self.values.get(tag, ())
        return tuple(one for one in found if isinstance(one, str)) if isinstance(found, tuple) else ()

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Numbers; as `texts`."""
        found = self.values.get(tag, ())
        return tuple(one for one in found if isinstance(one, int)) if isinstance(found, tuple) else ()


def read_header(stream: BinaryIO, alignment: int = 1) -> Header:
    """The header that begins where the stream is, and what follows it up to the alignment; ValueError for none."""
    intro = stream.read(_INTRO)
    if len(intro) < _INTRO or intro[:8] != MAGIC:
        raise ValueError("it has no header where one must be")
    count, size = struct.unpack(">II", intro[8:])
    if count > MOST_TAGS or size > LIMIT:
        raise ValueError("its header is larger than any")
    body = stream.read(_ENTRY * count + size)
    if len(body) < _ENTRY * count + size:
        raise ValueError("it ends in its header")
    stream.read(-(_INTRO + len(body)) % alignment)
    return Header(values=dict(_values(body[: _ENTRY * count], body[_ENTRY * count :])))


def _values(index: bytes, store: bytes) -> Iterator[tuple[int, Value]]:
    for tag, kind, offset, length in struct.iter_unpack(">IIiI", index):
        if kind in _STRINGS:
            yield tag, _strings(store, offset, length)
        elif kind == Type.BIN or kind in _SIZES:
            yield tag, _plain(store, kind, offset, length)


def _plain(store: bytes, kind: int, offset: int, length: int) -> Value:
    width = _SIZES.get(kind, 1)
    if not 0 <= offset <= len(store) or length * width > len(store) - offset:
        raise ValueError("a value lies outside its header")
    if kind == Type.BIN:
        return store[offset : offset + length]
    found: tuple[int, ...] = struct.unpack_from(f">{length}{_FORMATS[kind]}", store, offset)
    return found


def _strings(store: bytes, offset: int, length: int) -> tuple[str, ...]:
    if not 0 <= offset <= len(store) or length > len(store) - offset:
        raise ValueError("a value lies outside its header")
    found = store[offset:].split(b"\0", length)
    if len(found) <= length:
        raise ValueError("a text of its header has no end")
    return tuple(one.decode("utf-8", "surrogateescape") for one in found[:length])


class Builder:
    """Gathers values and writes them, sorted by tag, as one region that signatures cover."""

    def __init__(self, region: int) -> None:
        self._region = region
        self._values: dict[int, tuple[Type, int, bytes]] = {}

    def text(self, tag: int, value: str) -> None:
        """One string."""
        self._values[tag] = (Type.STRING, 1, _ended(value))

    def translated(self, tag: int, value: str) -> None:
        """A string that may have translations, and has none."""
        self._values[tag] = (Type.I18NSTRING, 1, _ended(value))

    def texts(self, tag: int, values: tuple[str, ...] | list[str]) -> None:
        """Strings; without any there is no tag."""
        if values:
            self._values[tag] = (Type.STRING_ARRAY, len(values), b"".join(map(_ended, values)))

    def numbers(self, tag: int, values: tuple[int, ...] | list[int], kind: Type = Type.INT32) -> None:
        """Whole numbers; without any there is no tag."""
        if values:
            packed = struct.pack(f">{len(values)}{_FORMATS[kind]}", *values)
            self._values[tag] = (kind, len(values), packed)

    def blob(self, tag: int, value: bytes) -> None:
        """Bytes."""
        self._values[tag] = (Type.BIN, len(value), value)

    def build(self) -> bytes:
        """The header; the region's own entry comes first, its end last in the store."""
        index, store = b"", b""
        for tag, (kind, count, raw) in sorted(self._values.items()):
            store += b"\0" * (-len(store) % _SIZES.get(kind, 1))
            index += struct.pack(">IIII", tag, kind, len(store), count)
            store += raw
        entries = len(self._values) + 1
        region = struct.pack(">IIII", self._region, Type.BIN, len(store), _ENTRY)
        store += struct.pack(">IIiI", self._region, Type.BIN, -16 * entries, _ENTRY)
        return MAGIC + struct.pack(">II", entries, len(store)) + region + index + store


def _ended(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape").replace(b"\0", b"") + b"\0"
