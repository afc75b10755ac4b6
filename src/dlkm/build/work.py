# SPDX-License-Identifier: GPL-2.0-or-later
"""One job's parts as a value, and the one way to run a command in its place, told in its log. Decides nothing."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from dlkm.build.bubblewrap import Bubblewrap
from dlkm.build.compiler import Compiler
from dlkm.build.environment import make_environment
from dlkm.build.jobserver import JobServer
from dlkm.build.options import BuildOptions
from dlkm.build.place import Place, shown_command
from dlkm.build.progress import followed
from dlkm.build.scratch import Scratch
from dlkm.core.events import Events, Task
from dlkm.core.processes import Foreman
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import Driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What this machine offers to every job of a run; `bubblewrap` is None where jobs run bare.

    `jobs` is the job server that all makes share, None where there is one job at a time.
    """

    runner: Foreman
    events: Events
    bubblewrap: Bubblewrap | None
    jobs: JobServer | None = None
    stopping: Event = field(default_factory=Event)

    def stop(self) -> None:
        """Let nothing new begin, and end what runs; what comes of it is no result."""
        self.stopping.set()
        if self.jobs is not None:
            self.jobs.wake()
        self.runner.end_all()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A block that counts as one of the jobs that may run at once.

        KeyboardInterrupt when the run was stopped: before the block, or after it, as it may have been cut short.
        """
        with self.jobs.slot() if self.jobs is not None else nullcontext():
            self._go_on()
            yield
            self._go_on()

    def _go_on(self) -> None:
        if self.stopping.is_set():
            raise KeyboardInterrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What another cell gives: its Module.symvers, under the cell's id."""

    name: str
    symvers: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A module that the driver's own description names: its file in the copy, and where it is to be installed.

    `name` is the installed file's, without ".ko"; `destination` a directory below /lib/modules/RELEASE ("/extra").
    """

    built: Path
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One driver on its way to modules for one kernel, in its place."""

    driver: Driver
    kernel: Kernel
    options: BuildOptions
    compiler: Compiler
    place: Place
    scratch: Scratch
    workshop: Workshop
    task: Task
    given: tuple[Given, ...] = ()

    @property
    def extra_symbols(self) -> str:
        """The Module.symvers of others, as the job's place sees them: what KBUILD_EXTRA_SYMBOLS holds."""
        return " ".join(f"{self.place.around.tools}/{symvers_place(one.name)}" for one in self.given)

    @property
    def environment(self) -> Mapping[str, str]:
        """What make finds in its environment, sorted by name."""
        own = make_environment(self.driver, self.kernel, self.compiler, self.options, self.place.around)
        shared = {"MAKEFLAGS": self.workshop.jobs.flags} if self.workshop.jobs is not None else {}
        if self.given:
            shared["KBUILD_EXTRA_SYMBOLS"] = self.extra_symbols
        return dict(sorted((own | self.place.environment() | shared).items()))

    def run(self, argv: Sequence[str], environment: Mapping[str, str], folder: str, shown: str = "") -> int:
        """Run a command in the job's place; its output, and its status and seconds, go to the log. Its exit status.

        `folder` is a directory as the place sees it; `shown` is what a reader of the log can repeat.
        """
        log = self.scratch.log
        line = shown or shown_command(argv, environment, folder)
        self.workshop.events.detail(f"+ {line}")
        start = time.monotonic()
        with followed(log, self.task):
            command = self.place.command(argv, environment, folder)
            inherit = self.workshop.jobs.descriptors if self.workshop.jobs is not None else ()
            status = self.workshop.runner.run(command, cwd=self.scratch.path, log=log, inherit=inherit).status
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"+ {line}\n+ status {status}, {time.monotonic() - start:.1f} seconds\n")
        return status


def symvers_place(name: str) -> str:
    """Where a giver's Module.symvers lies below the job's tools."""
    return f"symvers/{name}/Module.symvers"
