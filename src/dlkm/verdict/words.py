# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for a module, taken apart as the kernel takes them (lib/cmdline.c: next_arg). Knows no parameter."""

from collections.abc import Iterator

_BLANKS = " \t\n\v\f\r\xa0"  # lib/ctype.c, byte by byte: 0xa0 is one within a letter of UTF-8 too ("à")


def words_in(text: str) -> Iterator[tuple[str, str | None]]:
    """Name and value of each word, the value None where there is no '='. Ends at a "--" that stands alone.

    Quotes keep blanks together; those around a value or a whole word fall away, others stay.
    """
    rest = text.encode("utf-8", "surrogateescape").decode("latin-1").lstrip(_BLANKS)
    while rest:
        quoted = rest.startswith('"')
        rest = rest.removeprefix('"')
        end = _end(rest, inside=quoted)
        name, value = _parts(rest[:end], quoted=quoted)
        if value is None and name == "--":
            return
        yield _text(name), None if value is None else _text(value)
        rest = rest[end:].lstrip(_BLANKS)


def _text(raw: str) -> str:
    """What the bytes of a word are as text again."""
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")


def _end(text: str, *, inside: bool) -> int:
    """Where the word ends: at the first blank outside quotes."""
    for place, letter in enumerate(text):
        if letter in _BLANKS and not inside:
            return place
        if letter == '"':
            inside = not inside
    return len(text)


def _parts(word: str, *, quoted: bool) -> tuple[str, str | None]:
    equals = word.find("=", 1)  # an '=' at the start is part of the name
    if equals > 0 and word.startswith('"', equals + 1):
        start = equals + 2
        word = word[:-1] if word.endswith('"') and len(word) > start else word
        return word[:equals], word[start:]
    if quoted and word.endswith('"'):
        word = word[:-1]
    return (word, None) if equals < 0 else (word[:equals], word[equals + 1 :])
