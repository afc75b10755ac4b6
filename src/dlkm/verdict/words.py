# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for a module, taken apart as the kernel takes them (lib/cmdline.c: next_arg). Knows no parameter."""

from collections.abc import Iterator

_BLANKS = " \t\n\v\f\r"  # and 0xa0, which no UTF-8 text has alone


def words_in(text: str) -> Iterator[tuple[str, str | None]]:
    """Name and value of each word, the value None where there is no '='. Ends at a "--" that stands alone.

    Quotes keep blanks together; those around a value or a whole word fall away, others stay.
    """
    rest = text.lstrip(_BLANKS)
    while rest:
        quoted = rest.startswith('"')
        rest = rest.removeprefix('"')
        end = _end(rest, inside=quoted)
        name, value = _parts(rest[:end], quoted=quoted)
        if value is None and name == "--":
            return
        yield name, value
        rest = rest[end:].lstrip(_BLANKS)


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
