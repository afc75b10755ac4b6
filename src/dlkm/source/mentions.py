# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the line of a source directory that names a kernel: for helper scripts, which no Makefile shows. Runs none."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlkm.source.leftovers import left_out
from dlkm.source.makelines import Line

FILES_LIMIT = 1000  # files that are looked into
SIZE_LIMIT = 64 << 10  # bytes; a larger file is no helper script
ENTRIES_LIMIT = 20_000  # names that are looked at, whatever they are
_CODE = (".c", ".h", ".S", ".rs")  # where a release most often stands in a comment
_PROSE = (".md", ".rst", ".log")  # nothing there is ever run


def find_mention(root: Path, texts: Sequence[str]) -> Line | None:
    """The line that holds one of the texts as a whole, the first text before the second; None when none does.

    Only small text files that would be copied count; C and Rust come last. What cannot be read is passed over.
    """
    contents = {path: text for path in _small_files(root) if (text := _text(path)) is not None}
    for wanted in texts:
        # 6.1.0 is not what stands in 6.1.0-9-amd64.
        pattern = re.compile(rf"(?<![\w.]){re.escape(wanted)}(?![\w+~-]|\.\w)")
        for path, content in contents.items():
            match = pattern.search(content)
            if match is not None:
                return _line(str(path.relative_to(root)), content, match.start())
    return None


def _line(file: str, content: str, position: int) -> Line:
    start = content.rfind("\n", 0, position) + 1
    text = content[start:].partition("\n")[0]
    return Line(file=file, number=content.count("\n", 0, position) + 1, text=text, recipe=False)


def _small_files(root: Path) -> list[Path]:
    """At most FILES_LIMIT, those that may be scripts first."""
    runnable = (path for path in _files(root) if path.suffix not in _PROSE and not path.name.startswith("README"))
    found = sorted(runnable, key=lambda path: (path.suffix in _CODE, len(path.parts), path))
    return found[:FILES_LIMIT]


def _files(root: Path) -> Iterator[Path]:
    left = ENTRIES_LIMIT
    for place, folders, names in os.walk(root):
        out = left_out(Path(place), [*folders, *names])
        folders[:] = sorted(set(folders) - out)
        left -= len(folders) + len(names)
        if left < 0:
            return
        yield from (Path(place) / name for name in sorted(set(names) - out))


def _text(path: Path) -> str | None:
    """A small text file's content; a fifo is not opened: that may block for ever."""
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > SIZE_LIMIT:
            return None
        with path.open("rb") as stream:
            data = stream.read(SIZE_LIMIT)
    except OSError:
        return None
    return None if b"\0" in data else data.decode("utf-8", "replace")
