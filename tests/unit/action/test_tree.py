# SPDX-License-Identifier: GPL-2.0-or-later
"""Merkle trees: the same content has the same digest, whatever order it came in; anything else another."""

from collections.abc import Callable

import pytest

from dlkm.action import wire
from dlkm.action.digest import Digest, digest_of
from dlkm.action.tree import Blobs, Folder

A, B = digest_of(b"a"), digest_of(b"b")


def _tree(*, reverse: bool = False) -> Folder:
    root = Folder()
    steps: list[Callable[[], None]] = [
        lambda: root.put_file("src/a.c", A),
        lambda: root.put_file("src/run", B, executable=True),
        lambda: root.put_link("src/link", "a.c"),
        lambda: root.put_folder("empty"),
        lambda: root.put_file("Makefile", B),
    ]
    for step in reversed(steps) if reverse else steps:
        step()
    return root


def test_the_order_does_not_matter() -> None:
    assert _tree().digest() == _tree(reverse=True).digest()


def test_everything_counts() -> None:
    digests = [_tree().digest()]
    changes: list[Callable[[Folder], None]] = [
        lambda root: root.put_file("src/a.c", B),
        lambda root: root.put_file("src/a.c", A, executable=True),
        lambda root: root.put_link("src/link", "b.c"),
        lambda root: root.put_folder("empty2"),
        lambda root: root.put_file("src/b.c", A),
    ]
    for change in changes:
        root = _tree()
        change(root)
        digests.append(root.digest())
    assert len(set(digests)) == 6


def test_a_tree_known_by_its_digest_is_the_same() -> None:
    below = Folder()
    below.put_file("a.c", A)
    one, two = Folder(), Folder()
    one.put_folder("src", below)
    two.put_folder("src", below.digest())
    assert one.digest() == two.digest()


def test_every_directory_is_kept() -> None:
    blobs = Blobs()
    root = _tree().digest(blobs.keep)
    assert set(blobs.data) == {digest_of(data) for data in blobs.data.values()}
    assert root in blobs.data
    assert digest_of(b"") in blobs.data  # the empty directory
    assert len(blobs.data) == 3


def test_bytes_by_hand() -> None:
    """encoding.proto's rules: tag, length, value; zero is not written."""
    digest = Digest("ab", 300)
    assert wire.digest(digest) == b"\x0a\x02ab\x10\xac\x02"
    assert wire.digest(Digest("ab", 0)) == b"\x0a\x02ab"
    assert wire.directory({"f": (digest, True)}, {}, {"l": "t"}) == (
        b"\x0a\x0e\x0a\x01f\x12\x07\x0a\x02ab\x10\xac\x02\x20\x01" + b"\x1a\x06\x0a\x01l\x12\x01t"
    )


def test_names_that_are_no_utf8_have_bytes_of_their_own() -> None:
    name = b"\xff.c".decode("utf-8", "surrogateescape")
    assert b"\xff.c" in wire.directory({name: (A, False)}, {}, {})


def test_what_is_known_by_its_digest_cannot_be_added_to() -> None:
    root = Folder()
    root.put_folder("src", A)
    with pytest.raises(AssertionError, match="src/x"):
        root.put_file("src/x", B)
