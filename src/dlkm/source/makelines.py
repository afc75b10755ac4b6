# SPDX-License-Identifier: GPL-2.0-or-later
"""A Makefile's text as logical lines that know where they stand. Executes and expands nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_LIMIT = 1 << 20  # bytes of one Makefile that are looked at
LINE_LIMIT = 16 << 10  # characters of one logical line
FILES_LIMIT = 32  # files that includes may bring in

_INCLUDE = re.compile(r"(?:-|s)?include\s+(.*)")
_HERE = re.compile(r"\$[({](?:src|obj|PWD|CURDIR|M|shell pwd|srctree/\$\(src\))[)}]")
_COMMENT = re.compile(r"(?<!\\)#.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One logical line: continuations joined, comments gone. `file` is relative to the source directory."""

    file: str
    number: int  # of its first physical line, from 1
    text: str
    recipe: bool

    @property
    def shown(self) -> str:
        """As an error names it: `Makefile:3: KDIR := /usr/src/…`."""
        return f"{self.file}:{self.number}: {self.text.strip()[:200]}"


def read_lines(makefile: Path, root: Path) -> tuple[Line, ...]:
    """The logical lines of a Makefile and of what it includes by a plain name below `root`.

    Bytes that are no UTF-8 are replaced; a file that cannot be read has no lines.
    """
    lines: list[Line] = []
    waiting, seen = [makefile], set[Path]()
    while waiting and len(seen) < FILES_LIMIT:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        own = tuple(_lines_of(_read(path), str(path.relative_to(root))))
        waiting += [found for line in own if not line.recipe for found in _included(line.text, path.parent, root)]
        lines += own
    return tuple(lines)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(FILE_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""


def _lines_of(text: str, file: str) -> Iterator[Line]:
    physical = text.split("\n")
    number = 0
    while number < len(physical):
        first = number
        parts = [physical[number].rstrip("\r")]
        while parts[-1].endswith("\\") and number + 1 < len(physical):
            number += 1
            parts[-1] = parts[-1][:-1]
            parts.append(physical[number].rstrip("\r").lstrip())
        number += 1
        joined = " ".join(parts)[:LINE_LIMIT]
        recipe = joined.startswith("\t")
        bare = _without_comment(joined, recipe=recipe)
        if bare.strip():
            yield Line(file=file, number=first + 1, text=bare, recipe=recipe)


def _without_comment(text: str, *, recipe: bool) -> str:
    """In a recipe '#' belongs to the shell, which takes it for a comment at the start of a command only."""
    if recipe:
        return "" if text.lstrip("\t @-+").startswith("#") else text.rstrip()
    return _COMMENT.sub("", text).rstrip()


def _included(text: str, folder: Path, root: Path) -> Iterator[Path]:
    match = _INCLUDE.fullmatch(text.strip())
    for word in _HERE.sub(".", match[1]).split() if match is not None else ():
        if "$" in word or "*" in word or word.startswith("/"):
            continue
        try:
            path = (folder / word).resolve()
            inside = path.is_file() and path.is_relative_to(root)
        except (OSError, ValueError, RuntimeError):
            continue
        if inside:
            yield path
