# SPDX-License-Identifier: GPL-2.0-or-later
"""In which line of a TOML file each key stands, which tomllib does not tell. Takes only text that tomllib accepted."""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

Place = tuple[str | int, ...]  # the way to a value: ("sources", 0, "variables", "X")

_KEY = re.compile(r"[A-Za-z0-9_-]+|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'")
_TEXT = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]+")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")


def lines_of(text: str) -> Mapping[Place, int]:
    """The line, counted from 1, of every key and every element of an array."""
    walk = _Walk(text)
    walk.document()
    return walk.lines


class _Walk:
    """Goes through the text once; what it does not look for it steps over."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._tables: dict[Place, int] = {}  # how many tables an array has so far
        self.lines: dict[Place, int] = {}

    def document(self) -> None:
        table: Place = ()
        while self._skip(_BLANK):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._assignment(table)

    def _header(self) -> Place:
        start, array = self._at, self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        *parents, last = self._keys()
        place: Place = ()
        for part in (*parents, *(() if array else (last,))):
            place = (*place, part)
            self._note(place, start)
            place = (*place, self._tables[place] - 1) if place in self._tables else place
        if array:
            place = (*place, last)
            self._note(place, start)
            number = self._tables.get(place, 0)
            self._tables[place] = number + 1
            place = (*place, number)
        self._at = self._text.index("]", self._at) + (2 if array else 1)
        self._note(place, start)
        return place

    def _assignment(self, table: Place) -> None:
        start = self._at
        place = table
        for part in self._keys():
            place = (*place, part)
            self._note(place, start)
        self._at = self._text.index("=", self._at) + 1
        self._value(place)

    def _keys(self) -> list[str]:
        """The parts of a key: `a.b."c d"`."""
        parts = []
        while True:
            self._skip(_SPACE)
            match = _KEY.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            word = match[0]
            parts.append(word if word[0] not in "\"'" else str(tomllib.loads(f"k = {word}")["k"]))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _value(self, place: Place) -> None:
        self._skip(_BLANK)
        opening = self._text[self._at]
        if opening == "[":
            self._array(place)
        elif opening == "{":
            self._inline(place)
        else:
            match = (_TEXT if opening in "\"'" else _SCALAR).match(self._text, self._at)
            assert match is not None
            self._at = match.end()

    def _array(self, place: Place) -> None:
        self._at += 1
        number = 0
        while self._within("]"):
            self._note((*place, number), self._at)
            self._value((*place, number))
            number += 1

    def _inline(self, place: Place) -> None:
        self._at += 1
        while self._within("}"):
            self._assignment(place)

    def _within(self, closing: str) -> bool:
        """Whether another element comes before the closing bracket, which is stepped over."""
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        if self._text[self._at] != closing:
            return True
        self._at += 1
        return False

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match is not None else self._at
        return self._at < len(self._text)

    def _note(self, place: Place, at: int) -> None:
        self.lines.setdefault(place, bisect_right(self._starts, at))
