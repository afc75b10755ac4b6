# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for a module, taken apart as lib/cmdline.c: next_arg does; expected values by reading that function."""

import pytest

from dlkm.verdict.words import words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a=1  b ", [("a", "1"), ("b", None)]),
        ("a=1=2", [("a", "1=2")]),
        ("a=", [("a", "")]),
        ("=a", [("=a", None)]),
        ("=a=b", [("=a", "b")]),
        ('a="two words" b=1', [("a", "two words"), ("b", "1")]),
        ('"a=two words" b=1', [("a", "two words"), ("b", "1")]),
        ('a=x"y z"w', [("a", 'x"y z"w')]),
        ('a="open to the end b=1', [("a", "open to the end b=1")]),
        ('a="', [("a", "")]),
        ('a="x"y', [("a", 'x"y')]),
        ('"a" b', [("a", None), ("b", None)]),
        ("a\tb\nc", [("a", None), ("b", None), ("c", None)]),
        ("a=1 -- b=2", [("a", "1")]),
        ("--=1 b=2", [("--", "1"), ("b", "2")]),
        # 0xa0 is a blank to lib/ctype.c, and the last byte of "à" (c3 a0), not of "é" (c3 a9)
        ("a=voilà b=é", [("a", "voil\udcc3"), ("b", "é")]),
        ("a=\udca0b", [("a", ""), ("b", None)]),
    ],
)
def test_words(text: str, words: list[tuple[str, str | None]]) -> None:
    assert list(words_in(text)) == words
