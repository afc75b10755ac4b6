# SPDX-License-Identifier: GPL-2.0-or-later
"""kmod's indexes: what fnmatch(3) says, and any bytes at all. That real ones are read right, kmod itself tells."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.rootfs.index import Index
from dlkm.rootfs.textindex import TextIndex

HEADER = struct.pack(">II", 0xB007F457, 0x00020001)
PREFIX, VALUES, CHILDREN = 0x80000000, 0x40000000, 0x20000000


def _leaf(key: bytes, value: bytes) -> bytes:
    """An index with one key."""
    return HEADER + struct.pack(">I", 12 | PREFIX | VALUES) + key + b"\0" + struct.pack(">II", 1, 7) + value + b"\0"


def test_one_key() -> None:
    index = Index(_leaf(b"ab*", b"value"), "x")
    assert index.find("ab*") == "value"
    assert index.find("abc") is None
    assert index.matching("abc") == ("value",)
    assert index.matching("a") == ()
    assert list(index.items()) == [("ab*", "value")]


def test_a_circle_ends() -> None:
    word = struct.pack(">I", 12 | CHILDREN)
    index = Index(HEADER + word + bytes((0, 127)) + word * 128, "x")
    assert index.find("anything") is None
    for ask in (lambda: list(index.items()), lambda: index.matching("a" * 100)):
        with pytest.raises(MalformedError, match="circle"):
            ask()


@pytest.mark.parametrize("data", [b"", HEADER, b"\0" * 12, _leaf(b"a", b"v")[:-3], _leaf(b"a" * 5000, b"v")])
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(MalformedError):
        list(Index(data, "x").items())


@given(start=st.integers(0, 0xFFFFFFFF), rest=st.binary(max_size=300), key=st.text("ab*?[", max_size=8))
def test_any_bytes(start: int, rest: bytes, key: str) -> None:
    index = Index(HEADER + struct.pack(">I", start & 0xF00000FF) + rest, "x")
    for ask in (index.find, index.matching, lambda _key: list(index.items())):
        with suppress(MalformedError):
            ask(key)


@given(st.binary(max_size=300))
def test_any_text(data: bytes) -> None:
    index = TextIndex(data)
    assert index.find("a") is None or isinstance(index.find("a"), str)
    assert isinstance(index.matching("a"), tuple)


def test_tables_in_text() -> None:
    aliases = TextIndex(b"# Aliases\nalias usb:v1-p* a-b\nalias usb:v1_p* c\n")
    assert aliases.matching("usb:v1_p2") == ("a-b", "c")
    files = TextIndex(b"kernel/a-b.ko.xz: kernel/c.ko\nkernel/c.ko:\n")
    assert files.find("a_b") == "kernel/a-b.ko.xz: kernel/c.ko"
    assert files.find("d") is None
    assert TextIndex(b"kernel/fs/configfs.ko\n").find("configfs") is not None
