# SPDX-License-Identifier: GPL-2.0-or-later
"""Several drivers for several kernels: every cell is tried, whatever becomes of the others. Builds nothing itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from dlkm.build.job import build_in, identity
from dlkm.build.options import BuildOptions
from dlkm.build.order import Given
from dlkm.build.result import BuildOutcome, Cell
from dlkm.build.work import Workshop
from dlkm.core.errors import DlkmError
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import Driver
from dlkm.source.symbols import in_order, members_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One driver that is to be built for one kernel, and how."""

    driver: Driver
    kernel: Kernel
    options: BuildOptions

    @property
    def id(self) -> str:
        """The cell's."""
        return identity(self.driver, self.kernel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One cell; `error` is set when it could not even be tried."""

    cell: Cell
    error: DlkmError | None = None


class Watcher(Protocol):
    """Whoever follows the cells of a run; called from several threads. `open` counts those that have not ended."""

    @property
    def open(self) -> int:
        """How many cells are under way or waiting."""

    def begin(self, cell: str) -> None:
        """A cell, by its id, begins."""

    def end(self, attempt: Attempt) -> None:
        """It is over."""


class Nobody:
    """Nobody follows."""

    open = 1

    def begin(self, cell: str) -> None:
        """Nothing."""

    def end(self, attempt: Attempt) -> None:
        """Nothing."""


def build_all(
    workshop: Workshop, wanted: Sequence[Wanted], output: Path, watcher: Watcher | None = None
) -> Iterator[Attempt]:
    """Try every cell, as many at once as there are jobs; the answers come in the order of the cells.

    A driver comes after those whose symbols it uses, and gets their Module.symvers.
    """
    order = in_order(members_of(tuple({one.driver.path: one.driver for one in wanted}.values())))
    for ring in order.rings:
        workshop.events.warning(str(ring))
    by_driver: dict[Path, list[Wanted]] = {}
    for one in wanted:
        by_driver.setdefault(one.driver.path, []).append(one)
    job = partial(attempt, workshop, output, watcher or Nobody())
    with threads(workshop, len(wanted)) as pool:
        started: dict[tuple[Path, str], Future[Attempt]] = {}
        for member in order.members:
            for one in by_driver[member.path]:
                places = [(giver.path, one.kernel.id) for giver in order.givers[member.path]]
                givers = [started[place] for place in places if place in started]
                started[member.path, one.kernel.id] = pool.submit(_after, givers, partial(job, one))
        for one in wanted:
            yield started[one.driver.path, one.kernel.id].result()


@contextmanager
def threads(workshop: Workshop, cells: int) -> Iterator[Executor]:
    """Threads for the cells; when the block is interrupted, or nobody wants the rest, what they wait for is ended."""
    with ThreadPoolExecutor(max_workers=max(1, min(cells, workshop.width))) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            workshop.stop()
            raise


def _after(givers: Sequence[Future[Attempt]], job: Callable[[tuple[Given, ...]], Attempt]) -> Attempt:
    """Wait for the cells that give symbols: they began earlier, so they end whatever happens here."""
    return job(given_by(giver.result().cell for giver in givers))


def given_by(cells: Iterable[Cell]) -> tuple[Given, ...]:
    """What cells give to those that use their symbols."""
    return tuple(Given(name=cell.id, symvers=cell.symvers) for cell in cells if cell.symvers is not None)


def attempt(workshop: Workshop, output: Path, watcher: Watcher, one: Wanted, given: tuple[Given, ...]) -> Attempt:
    """Try one cell."""
    watcher.begin(one.id)
    try:
        tried = Attempt(cell=build_in(workshop, one.driver, one.kernel, one.options, output, given))
    except DlkmError as error:
        tried = untried(one.id, one.driver.path, one.kernel, error)
    watcher.end(tried)
    return tried


def untried(cell: str, source: Path, kernel: Kernel, error: DlkmError) -> Attempt:
    """A cell, by its id, of which an error kept us from anything."""
    blank = Cell(
        id=cell,
        source=source,
        kernel=kernel.id,
        arch=kernel.arch.name,
        outcome=BuildOutcome.FAILED,
        reason=error.what,
    )
    return Attempt(cell=blank, error=error)
