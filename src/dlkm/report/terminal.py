# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal: standard output for answers, standard error for progress and messages. Nothing else prints."""

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dlkm.core.errors import DlkmError
from dlkm.core.events import Event, EventKind, Events
from dlkm.core.files import cannot_write
from dlkm.core.text import utf8

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Colour(StrEnum):
    """When to colour; AUTO means on a terminal, unless NO_COLOR is set."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Style(StrEnum):
    """What a word means, as an SGR code."""

    GOOD = "32"
    BAD = "31"
    DOUBTFUL = "33"
    FAINT = "2"
    STRONG = "1"


class Terminal:
    """Where a command's words go. `quiet` leaves errors and answers, `verbose` adds details."""

    def __init__(
        self,
        *,
        colour: Colour = Colour.AUTO,
        quiet: bool = False,
        verbose: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        for stream in (self.out, self.err):
            if isinstance(stream, io.TextIOWrapper):
                # Names and modinfo values may hold any bytes: they leave as they came, whatever the locale.
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")
        self._quiet = quiet
        self._verbose = verbose
        self._colour = colour
        self._progress: Progress | None = None
        self._rows: dict[int, TaskID] = {}
        self._wholes: set[int] = set()  # tasks that stand for what runs meanwhile, where there is no screen
        self.answered: list[str] = []  # what went to standard output
        self.told = False  # whether anything but progress went to standard error
        self.events = Events(self._listen)

    def styled(self, text: str, style: Style) -> str:
        """The text as standard output shows it: coloured where colours are wanted."""
        return _styled(text, style, self._is_coloured)

    @cached_property
    def _is_coloured(self) -> bool:
        """Whether standard output is; a table asks of each of its cells."""
        return _wants_colour(self._colour, self.out)

    def print(self, text: str = "") -> None:
        """One line of the answer."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """A part of the answer, to the letter."""
        self.answered.append(text)
        self._answer(lambda: self.out.write(text))

    def document(self, document: dict[str, Any]) -> None:
        """The answer as one JSON document."""
        self.print(json.dumps(document, indent=2, ensure_ascii=False))

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table with aligned columns; cells may carry styles."""
        all_rows = [list(heads), *[list(row) for row in rows]]
        widths = [max(map(_width, column)) for column in zip(*all_rows, strict=True)]
        head, *lines = ["  ".join(map(_filled, row, widths)).rstrip() for row in all_rows]
        self.print("\n".join((self.styled(head, Style.STRONG), *lines)))

    def error(self, error: DlkmError) -> None:
        """An error: what, and on its own line what to do."""
        self._say("error", error.what, Style.BAD)
        if error.hint is not None:
            self._write(f"  ({error.hint})")

    def flush(self) -> None:
        """Hand the whole answer over; the error of a full disk comes here at the latest."""
        self._answer(self.out.flush)

    def _answer(self, hand_over: Callable[[], object]) -> None:
        try:
            hand_over()
        except OSError as error:
            # What could not be written stays in the buffer: it must not fail once more when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.out.fileno())
            # A reader that has seen enough is no fault, and changes nothing of the answer's exit status.
            if not isinstance(error, BrokenPipeError):
                raise cannot_write(Path("standard output"), error) from error

    def close(self) -> None:
        """Take the progress bars away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._rows.clear()

    def _say(self, kind: str, text: str, style: Style) -> None:
        self._write(text, f"dlkm: {_styled(kind, style, _wants_colour(self._colour, self.err))}: ")

    def _write(self, text: str, before: str = "", *, passing: bool = False) -> None:
        """`passing`: it matters to nobody once the work is done."""
        self.told = self.told or not passing
        # Nobody is left to hear that nobody listens: a message that cannot be written changes no answer.
        with suppress(OSError):
            self._write_message(before + "\n".join(map(printable, text.split("\n"))))

    def _write_message(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self.err.write(text + "\n")
            self.err.flush()

    def _listen(self, event: Event) -> None:
        match event.kind:
            case EventKind.DETAIL:
                if self._verbose:
                    self._write(event.text)
            case EventKind.INFO:
                if not self._quiet:
                    self._write(event.text)
            case EventKind.WARNING:
                self._say("warning", event.text, Style.DOUBTFUL)
            case EventKind.STARTED | EventKind.ADVANCED | EventKind.FINISHED:
                self._show_progress(event)

    def _show_progress(self, event: Event) -> None:
        if self._quiet:
            return
        if not self.err.isatty():
            self._announce(event)
            return
        ends = None if event.left is None else time.monotonic() + event.left
        if event.kind is EventKind.STARTED:
            self._rows[event.task] = self._bars().add_task(event.text, total=event.total, ends=ends)
        elif event.task in self._rows and event.kind is EventKind.ADVANCED:
            row = self._rows[event.task]
            self._bars().update(row, description=event.text, completed=event.done, total=event.total, ends=ends)
        elif event.task in self._rows:
            self._bars().remove_task(self._rows.pop(event.task))

    def _announce(self, event: Event) -> None:
        """Where there is no screen: one line when work begins, none for its parts."""
        if event.kind is EventKind.STARTED:
            if not self._wholes:
                self._write(f"{event.text} ...", passing=True)
            self._wholes |= {event.task} if event.whole else set()
        elif event.kind is EventKind.FINISHED:
            self._wholes.discard(event.task)

    def _bars(self) -> "Progress":
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            from dlkm.report.remaining import RemainingColumn

            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TimeElapsedColumn(),
                RemainingColumn(),
                console=Console(file=self.err, no_color=not _wants_colour(self._colour, self.err)),
                transient=True,
            )
            self._progress.start()
        return self._progress


def printable(text: str) -> str:
    """Text that any terminal takes: control characters and bytes that are no UTF-8 escaped, as dmesg does."""
    if text.isprintable():
        return text
    raw = utf8(text)
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in raw)


def _wants_colour(colour: Colour, stream: TextIO) -> bool:
    if colour is Colour.AUTO:
        return stream.isatty() and not os.environ.get("NO_COLOR")
    return colour is Colour.ALWAYS


def _styled(text: str, style: Style, wanted: bool) -> str:  # noqa: FBT001
    return f"\x1b[{style}m{text}\x1b[0m" if wanted else text


def _filled(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(cell: str) -> int:
    """The columns a cell takes, its colour codes not counted."""
    if "\x1b" not in cell:
        return len(cell)
    import re

    return len(re.sub(r"\x1b\[[0-9;]*m", "", cell))
