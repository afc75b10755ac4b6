# SPDX-License-Identifier: GPL-2.0-or-later
"""Pasted text to the lines that were logged: without what stands before them, whole again where a screen broke them.

Knows no message: whether a line is one is asked of the caller.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_LINE = 2000  # characters looked at; the kernel's own lines have at most 1024
_PIECES = 4  # lines of a screen that one line of the log may fill
_WIDTHS = frozenset({72, 76, 78, 79, 80, 100, 120, 132, 160})  # screens at whose end even a known line may go on
_REST = re.compile(r"[\w.,()' -]+")
_COLOUR = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\([A-Z0-9]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))")
_PREFIX = re.compile(
    r"""\s+ | <\d{1,3}> | \d+,\d+,\d+,[^;]{1,40}; | (?:kern|user|daemon|syslog)\s*:\s*\w+\s*:\s
    | \[\s*\d+\.\d+\] | \[\s*[TC]\d+\] | \[[A-Z][a-z]{2}\ [^\]]{5,40}\]
    | \d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\s | [A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d(?:\.\d+)?\s
    | (?:[\w.-]+\ )?kernel:(?=\s) | (?:[\w.-]+\ )?(?!insmod|modprobe)[\w.()-]+\[\d+\]:(?=\s) | [>|$\#](?=\s)""",
    re.VERBOSE,
)
_PROGRAM = re.compile(r"(?:[\w.-]+ )?(insmod|modprobe)\[\d+\](?=:)")


@dataclass(frozen=True, slots=True)
class _Piece:
    """One line of the text: as it is seen, without its prefix, and whether it has one beside blanks."""

    seen: str
    bare: str
    prefixed: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """`known`: whether a line is a message. `begins`: whether it is one that stands for itself, not the words at the
    end of another.
    """

    known: Callable[[str], bool]
    begins: Callable[[str], bool]

    def logged(self, text: str) -> tuple[str, ...]:
        """Each distinct line, in order; one that a screen or a letter broke in several is whole again."""
        pieces = [piece for line in text.splitlines() if (piece := _piece(line)).bare]
        width = max((len(piece.seen) for piece in pieces), default=0)
        return tuple(dict.fromkeys(self._whole(pieces, width)))

    def _whole(self, pieces: Sequence[_Piece], width: int) -> Iterator[str]:
        """A line goes on only in what has no prefix and is no message by itself."""
        place = 0
        while place < len(pieces):
            last = place + 1
            while last < min(len(pieces), place + _PIECES) and not pieces[last].prefixed:
                if self.begins(pieces[last].bare):
                    break
                last += 1
            line, used = self._joined(pieces[place:last], width)
            yield line
            place += used

    def _joined(self, pieces: Sequence[_Piece], width: int) -> tuple[str, int]:
        """The first of the pieces with those others that make a message of it, and how many pieces that is."""
        first = pieces[0].bare.rstrip()
        if self.known(first) and not _goes_on(pieces, width):
            return first, 1
        for count in range(2, len(pieces) + 1):
            spaced = " ".join(piece.bare.rstrip() for piece in pieces[:count])
            run_on = pieces[0].bare + "".join(piece.seen for piece in pieces[1:count])
            for line in (run_on, spaced) if self.known(first) or _has_blank(pieces[:count]) else (spaced, run_on):
                if self.known(line.rstrip()):
                    return line.rstrip(), count
        return first, 1


def _goes_on(pieces: Sequence[_Piece], width: int) -> bool:
    """Whether a line that makes sense may still be broken: it fills the screen, and what follows is a word's rest."""
    full = len(pieces[0].seen) in _WIDTHS or (pieces[0].prefixed and len(pieces[0].seen) >= width)
    return full and len(pieces) > 1 and _REST.fullmatch(pieces[1].bare) is not None


def _has_blank(pieces: Sequence[_Piece]) -> bool:
    """Whether a blank at a break was kept: then nothing is to be put there."""
    return any(one.seen[-1:].isspace() or two.seen[:1].isspace() for one, two in pairwise(pieces))


def _piece(line: str) -> _Piece:
    seen = _COLOUR.sub("", line[:_LINE]).rstrip("\r\n")
    bare, prefixed = seen, False
    for _ in range(12):
        match = _PREFIX.match(bare)
        if match is None:
            break
        prefixed |= bool(match[0].strip())
        bare = bare[match.end() :]
    return _Piece(seen, _PROGRAM.sub(r"\1", bare, count=1), prefixed)
