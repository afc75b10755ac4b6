# SPDX-License-Identifier: GPL-2.0-or-later
"""ASN.1 in DER and BER read as the kernel reads it (lib/asn1_decoder.c), bounded. Knows no message's meaning."""

from collections.abc import Iterator
from typing import NamedTuple

from dlkm.core.errors import MalformedError

INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
_CONSTRUCTED, _LONG_TAG, _INDEFINITE = 0x20, 0x1F, 0x80
_PADDING = 0x80  # a number does not begin with it
_LENGTH_BYTES = 2  # the kernel takes no length above 65,535
_DEPTH = 10  # of constructed values of indefinite length; the kernel's own stack is as deep


class Node(NamedTuple):
    """One value: its tag byte, and where in `data` its header, its content and what follows it stand."""

    data: bytes
    tag: int
    start: int
    content: int
    end: int
    after: int

    @property
    def value(self) -> bytes:
        """The content."""
        return self.data[self.content : self.end]

    @property
    def whole(self) -> bytes:
        """The content with its header."""
        return self.data[self.start : self.after]

    def children(self) -> Iterator["Node"]:
        """The values within, in order."""
        place = self.content
        while place < self.end:
            node = read(self.data, place, self.end)
            yield node
            place = node.after


class Reader:
    """Takes a value's children one by one, by their tags; MalformedError where the next is another."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._place = node.content

    def take(self, *tags: int) -> Node:
        """The next child, which must have one of the tags (any, when none is given)."""
        node = self.maybe(*tags)
        if node is None:
            raise MalformedError("a value is missing or of another kind", offset=self._place)
        return node

    def maybe(self, *tags: int) -> Node | None:
        """The next child when it has one of the tags."""
        if self._place >= self._node.end:
            return None
        node = read(self._node.data, self._place, self._node.end)
        if tags and node.tag not in tags:
            return None
        self._place = node.after
        return node

    def finish(self) -> None:
        """Nothing may be left."""
        if self._place != self._node.end:
            raise MalformedError("there is more than belongs here", offset=self._place)


def read(data: bytes, start: int = 0, end: int | None = None, depth: int = 0) -> Node:
    """The value at `start`; MalformedError when it is none, or does not end before `end`."""
    limit = len(data) if end is None else end
    if start > limit - 2:
        raise MalformedError("cut off", offset=start)
    tag, size, place = data[start], data[start + 1], start + 2
    if tag & _LONG_TAG == _LONG_TAG:
        raise MalformedError("a tag of several bytes", offset=start)
    if size == _INDEFINITE:
        content_end = _end_of(data, start, limit, depth)
        return Node(data, tag, start, place, content_end, content_end + 2)
    if size > _INDEFINITE:
        count = size - _INDEFINITE
        if count > _LENGTH_BYTES or place + count > limit:
            raise MalformedError("a length that makes no sense", offset=start)
        size = int.from_bytes(data[place : place + count], "big")
        place += count
    if place + size > limit:
        raise MalformedError(f"{size} bytes leave what holds them", offset=start)
    return Node(data, tag, start, place, place + size, place + size)


def _end_of(data: bytes, start: int, limit: int, depth: int) -> int:
    """Where the two zero bytes stand that end a value of indefinite length."""
    if not data[start] & _CONSTRUCTED or depth >= _DEPTH:
        raise MalformedError("an indefinite length where none may be", offset=start)
    place = start + 2
    while data[place : place + 2] != b"\0\0":
        place = read(data, place, limit, depth + 1).after
    if place + 2 > limit:
        raise MalformedError("cut off", offset=start)
    return place


def dotted(value: bytes) -> str:
    """An object identifier's content in numbers; "" for one that is none, or not in its shortest form (X.690, 8.19)."""
    numbers: list[int] = []
    number, whole = 0, True
    for byte in value:
        if whole and byte == _PADDING:
            return ""
        number = number << 7 | byte & 0x7F
        whole = byte < 0x80
        if whole:
            numbers.append(number)
            number = 0
    if not numbers or not whole:
        return ""
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
