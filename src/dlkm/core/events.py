# SPDX-License-Identifier: GPL-2.0-or-later
"""What the library tells while it works. It never prints: a terminal, a log or nothing listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Protocol


class EventKind(StrEnum):
    """What an event is about; a listener may ignore any kind."""

    DETAIL = "detail"  # for -v: a command that runs, a decision taken
    INFO = "info"
    WARNING = "warning"
    STARTED = "started"  # a piece of work with a title begins
    ADVANCED = "advanced"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. `task` ties STARTED, ADVANCED and FINISHED together; `done` and `total` share a unit.

    `left` is how many seconds a task will still take, where that can be told. `whole`: what starts before this task
    ends is a part of it.
    """

    kind: EventKind
    text: str
    task: int = 0
    done: float = 0
    total: float | None = None
    left: float | None = None
    whole: bool = False


class Listener(Protocol):
    """Whoever wants to know."""

    def __call__(self, event: Event, /) -> None:
        """Take one event; must not raise and must be quick. May be called from any thread."""


def _ignore(_event: Event) -> None:
    return


_task_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Task:
    """A running piece of work that can report how far it is."""

    title: str
    number: int
    listener: Listener
    total: float | None = None

    def advance(
        self, done: float, total: float | None = None, *, text: str | None = None, left: float | None = None
    ) -> None:
        """Say that `done` of `total` is finished, in other words than the title's where there are some."""
        self.listener(
            Event(
                kind=EventKind.ADVANCED,
                text=text or self.title,
                task=self.number,
                done=done,
                total=self.total if total is None else total,
                left=left,
            )
        )


@dataclass(frozen=True, slots=True)
class Events:
    """The mouth of the library; `Events()` speaks to nobody."""

    listener: Listener = field(default=_ignore)

    def detail(self, text: str) -> None:
        """Something for who wants to follow closely."""
        self.listener(Event(kind=EventKind.DETAIL, text=text))

    def info(self, text: str) -> None:
        """Something worth a line."""
        self.listener(Event(kind=EventKind.INFO, text=text))

    def warning(self, text: str) -> None:
        """Something the user should know; the work goes on."""
        self.listener(Event(kind=EventKind.WARNING, text=text))

    @contextmanager
    def task(self, title: str, total: float | None = None, *, whole: bool = False) -> Iterator[Task]:
        """A piece of work with a title, and its total when that is known, in whatever unit `advance` counts.

        `whole`: it consists of what other tasks tell.
        """
        number = next(_task_numbers)
        self.listener(Event(kind=EventKind.STARTED, text=title, task=number, total=total, whole=whole))
        try:
            yield Task(title=title, number=number, listener=self.listener, total=total)
        finally:
            self.listener(Event(kind=EventKind.FINISHED, text=title, task=number, total=total))


class Telling:
    """Who hears of what happens far below whoever holds an Events: a file unpacked because somebody reads it.

    One for all threads: a worker's reading is the command's.
    """

    def __init__(self) -> None:
        self._events = Events()

    def get(self) -> Events:
        """The ones to tell; nobody, unless `to` says otherwise."""
        return self._events

    @contextmanager
    def to(self, events: Events) -> Iterator[None]:
        """Tell these meanwhile."""
        before, self._events = self._events, events
        try:
            yield
        finally:
            self._events = before


telling = Telling()
