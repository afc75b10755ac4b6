# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes indexes of kmod's, the plain way: a node for each letter. libkmod/libkmod-index.c has the format."""

from collections.abc import Mapping
from struct import pack

VALUES, CHILDREN = 0x40000000, 0x20000000


def index(keys: Mapping[str, str]) -> bytes:
    """An index in which each key has one value."""
    data = bytearray(pack(">III", 0xB007F457, 0x00020001, 0))
    root = _node(data, {key.encode(): value.encode() for key, value in keys.items()})
    data[8:12] = pack(">I", root)
    return bytes(data)


def _node(data: bytearray, keys: Mapping[bytes, bytes]) -> int:
    """Write all below a node, then itself; the word that points at it."""
    by_letter: dict[int, dict[bytes, bytes]] = {}
    for key, value in keys.items():
        if key:
            by_letter.setdefault(key[0], {})[key[1:]] = value
    children = {letter: _node(data, rest) for letter, rest in by_letter.items()}
    word = len(data)
    if children:
        first, last = min(children), max(children)
        data += bytes((first, last))
        data += pack(f">{last - first + 1}I", *(children.get(letter, 0) for letter in range(first, last + 1)))
        word |= CHILDREN
    if b"" in keys:
        data += pack(">II", 1, 0) + keys[b""] + b"\0"
        word |= VALUES
    return word
