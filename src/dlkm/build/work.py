# SPDX-License-Identifier: GPL-2.0-or-later
"""What every job of a run shares, and what comes of one. Decides nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from threading import Event, Lock
from typing import TYPE_CHECKING

from dlkm.build.bubblewrap import Bubblewrap
from dlkm.build.jobserver import JobServer
from dlkm.core.events import Events
from dlkm.core.processes import Foreman

if TYPE_CHECKING:
    from dlkm.build.caching import Cache
    from dlkm.build.elsewhere import Remote


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What this machine offers to every job of a run; `bubblewrap` is None where jobs run bare.

    `jobs` is the job server that all makes share, None where there is one job at a time. `cache` is None where nothing
    is to be taken from earlier runs, and nothing kept. `remote` is what other machines have to offer.
    """

    runner: Foreman
    events: Events
    bubblewrap: Bubblewrap | None
    jobs: JobServer | None = None
    cache: "Cache | None" = None
    remote: "Remote | None" = None
    stopping: Event = field(default_factory=Event)
    alone: Lock = field(default_factory=Lock)  # held by the one job that runs where there is no job server

    @property
    def width(self) -> int:
        """How many cells may be under way at once: those that other machines build take no core here."""
        here = self.jobs.jobs if self.jobs is not None else 1
        there = self.remote.jobs if self.remote is not None and self.remote.workers is not None else 1
        return max(here, there)

    def stop(self) -> None:
        """Let nothing new begin, and end what runs; what comes of it is no result."""
        self.stopping.set()
        if self.jobs is not None:
            self.jobs.wake()
        if self.remote is not None:
            self.remote.close()
        self.runner.end_all()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A block that counts as one of the jobs that may run at once.

        KeyboardInterrupt when the run was stopped: before the block, or after it, as it may have been cut short.
        """
        with self.jobs.slot() if self.jobs is not None else self.alone:
            self.go_on()
            yield
            self.go_on()

    @contextmanager
    def share(self, most: int, cells: int) -> Iterator[int]:
        """As `turn`, for a job whose makes cannot know the job server: gives how many compilers it may run.

        `cells` are under way or waiting, this one among them: none takes more than its part, nor more than `most`.
        """
        if self.jobs is None:
            with self.turn():
                yield most
            return
        part = self.jobs.jobs // min(self.jobs.jobs, max(1, cells))
        with self.jobs.share(min(most, part)) as tokens:
            self.go_on()
            yield tokens
            self.go_on()

    def go_on(self) -> None:
        """KeyboardInterrupt when the run was stopped."""
        if self.stopping.is_set():
            raise KeyboardInterrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A module that the driver's own description names: its file below the copy, and where it is to be installed.

    `name` is the installed file's, without ".ko"; `destination` a directory below /lib/modules/RELEASE ("/extra").
    """

    built: PurePosixPath
    name: str
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of running a driver's commands: the last one's status, and the directory that its log speaks of.

    `named` are the modules that the driver's description names; None means all that were made. `skipped` and `refused`
    say why nothing was run, or why what was made is not enough; empty when all is well.
    """

    status: int
    folder: str
    commands: tuple[tuple[str, ...], ...]
    named: tuple[Named, ...] | None = None
    skipped: str = ""
    refused: str = ""
