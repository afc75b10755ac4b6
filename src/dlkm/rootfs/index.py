# SPDX-License-Identifier: GPL-2.0-or-later
"""An index of kmod's (modules.dep.bin, modules.alias.bin …): keys that may be wildcards, values in order of priority.

The file is a tree: libkmod/libkmod-index.c describes it. It is read where it lies, bounded by its own size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, error

from dlkm.core.errors import MalformedError
from dlkm.core.wildcards import matches

MAGIC, MAJOR = 0xB007F457, 2
_PREFIX, _VALUES, _CHILDREN, _MASK = 0x80000000, 0x40000000, 0x20000000, 0x0FFFFFFF
_HEADER, _WORD = Struct(">III"), Struct(">I")
_WILD = b"*?["
_KEY_LIMIT = 4096  # bytes of a key; PATH_MAX, as for libkmod
LIMIT = 64 << 20  # bytes of an index; a distribution's kernel has one million
_NODES = 40_000_000  # looked at in all; a distribution's kernel has fifty thousand, of which a question sees hundreds


@dataclass(frozen=True, slots=True)
class _Node:
    """One node: what all keys below it go on with, the children by their next byte, the values of the key that ends."""

    prefix: bytes
    first: int
    children: tuple[int, ...]
    values: tuple[tuple[int, bytes], ...]

    def child(self, letter: int) -> int:
        """Where the child for a byte lies; 0 for none."""
        place = letter - self.first
        return self.children[place] if 0 <= place < len(self.children) else 0


class Index:
    """One index; MalformedError when it is none, or when a part of it that is asked for is damaged."""

    def __init__(self, data: bytes, where: str) -> None:
        self._data, self._where = data, where
        self._nodes: dict[int, _Node] = {}
        self._left = _NODES
        if len(data) < _HEADER.size:
            raise self._damaged("is shorter than its header")
        magic, version, self._root = _HEADER.unpack_from(data)
        if magic != MAGIC or version >> 16 != MAJOR:
            raise self._damaged("is no index of kmod's")

    def find(self, key: str) -> str | None:
        """The first value of a key that is no wildcard (index_mm_search)."""
        rest, node = _raw(key), self._node(self._root)
        while node is not None and rest.startswith(node.prefix):
            rest = rest[len(node.prefix) :]
            if not rest:
                return _text(node.values[0][1]) if node.values else None
            node = self._node(node.child(rest[0]))
            rest = rest[1:]
        return None

    def matching(self, key: str) -> tuple[str, ...]:
        """The values of all keys that match, each once, the highest priority (the lowest number) first.

        Source: index_mm_searchwild.
        """
        found: list[tuple[int, bytes]] = []
        rest, node = _raw(key), self._node(self._root)
        while node is not None:
            wild = next((place for place, letter in enumerate(node.prefix) if letter in _WILD), None)
            if wild is not None:
                if rest.startswith(node.prefix[:wild]):
                    found += self._below(node, wild, b"", rest[wild:])
                break
            if not rest.startswith(node.prefix):
                break
            rest = rest[len(node.prefix) :]
            for letter in _WILD:
                child = self._node(node.child(letter))
                if child is not None:
                    found += self._below(child, 0, bytes((letter,)), rest)
            if not rest:
                found += node.values
                break
            node = self._node(node.child(rest[0]))
            rest = rest[1:]
        return tuple(dict.fromkeys(_text(value) for _, value in sorted(found, key=lambda one: one[0])))

    def items(self) -> Iterator[tuple[str, str]]:
        """Every key with every value of it."""
        for key, node in self._walk(self._node(self._root), 0, b""):
            yield from ((_text(key), _text(value)) for _, value in node.values)

    def _below(self, node: _Node, start: int, before: bytes, rest: bytes) -> Iterator[tuple[int, bytes]]:
        """The values of keys from here on that match the rest of what is asked for."""
        asked = _text(rest)
        for key, inner in self._walk(node, start, before):
            if inner.values and matches(_text(key), asked):
                yield from inner.values

    def _walk(self, node: _Node | None, start: int, before: bytes) -> Iterator[tuple[bytes, _Node]]:
        todo = [(node, start, before)]
        seen = 0  # of a tree no walk can see more nodes than it has bytes
        while todo:
            here, skipped, key = todo.pop()
            if here is None:
                continue
            whole = key + here.prefix[skipped:]
            seen += 1
            self._left -= 1
            if len(whole) > _KEY_LIMIT or seen > len(self._data) or not self._left:
                raise self._damaged("leads in a circle")
            yield whole, here
            for place, child in enumerate(here.children):
                if child:
                    todo.append((self._node(child), 0, whole + bytes((here.first + place,))))

    def _node(self, place: int) -> _Node | None:
        """The node that a word points at; None for the word 0."""
        at = place & _MASK
        if not at:
            return None
        if place not in self._nodes:
            self._nodes[place] = self._parsed(place, at)
        return self._nodes[place]

    def _parsed(self, place: int, at: int) -> _Node:
        try:
            prefix, at = self._string(at) if place & _PREFIX else (b"", at)
            first, children = 0, tuple[int, ...]()
            if place & _CHILDREN:
                first, last = self._data[at], self._data[at + 1]
                children, at = self._words(at + 2, last - first + 1)
            values, at = self._values(at) if place & _VALUES else ((), at)
        except (IndexError, error) as damage:
            raise self._damaged("is cut off") from damage
        return _Node(prefix, first, children, values)

    def _words(self, at: int, count: int) -> tuple[tuple[int, ...], int]:
        if count < 0:
            raise self._damaged("has a node without sense")
        return Struct(f">{count}I").unpack_from(self._data, at), at + 4 * count

    def _values(self, at: int) -> tuple[tuple[tuple[int, bytes], ...], int]:
        (count,), at = self._words(at, 1)
        values = []
        for _ in range(count):
            (priority,), at = self._words(at, 1)
            value, at = self._string(at)
            values.append((priority, value))
        return tuple(values), at

    def _string(self, at: int) -> tuple[bytes, int]:
        end = self._data.index(b"\0", at) if at < len(self._data) and b"\0" in self._data[at : at + _KEY_LIMIT] else -1
        if end < 0:
            raise IndexError
        return self._data[at:end], end + 1

    def _damaged(self, why: str) -> MalformedError:
        return MalformedError(f"{self._where}: {why}")


def _raw(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
