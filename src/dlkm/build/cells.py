# SPDX-License-Identifier: GPL-2.0-or-later
"""Several drivers for several kernels: every cell is tried, whatever becomes of the others. Builds nothing itself."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dlkm.build.job import build_in, identity
from dlkm.build.options import BuildOptions
from dlkm.build.order import Given
from dlkm.build.result import BuildOutcome, Cell
from dlkm.build.work import Workshop
from dlkm.core.errors import DlkmError, ExitStatus
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import Driver
from dlkm.source.symbols import in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One cell; `error` is set when it could not even be tried."""

    cell: Cell
    error: DlkmError | None = None


def build_all(
    workshop: Workshop, drivers: Sequence[Driver], kernels: Sequence[Kernel], options: BuildOptions, output: Path
) -> Iterator[Attempt]:
    """Try every cell, as many at once as there are jobs; the answers come in the order of the cells.

    A driver comes after those whose symbols it uses, and gets their Module.symvers.
    """
    order = in_order(drivers)
    for ring in order.rings:
        names = " → ".join(driver.name for driver in ring)
        workshop.events.warning(f"{names}: each uses symbols of the next: such modules need one Kbuild that makes both")
    cells = [(driver, kernel) for driver in drivers for kernel in kernels]
    with _pool(workshop, len(cells)) as pool:
        started: dict[tuple[Path, str], Future[Attempt]] = {}
        for driver in order.drivers:
            for kernel in kernels:
                givers = [started[giver.path, kernel.id] for giver in order.givers[driver.path]]
                job = partial(_attempt, workshop, driver, kernel, options, output)
                started[driver.path, kernel.id] = pool.submit(_after, givers, job)
        for driver, kernel in cells:
            yield started[driver.path, kernel.id].result()


@contextmanager
def _pool(workshop: Workshop, cells: int) -> Iterator[Executor]:
    """Threads for the cells; when the block is interrupted, or nobody wants the rest, what they wait for is ended."""
    jobs = workshop.jobs
    with ThreadPoolExecutor(max_workers=min(cells, jobs.jobs) if jobs is not None else 1) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            workshop.stop()
            raise


def _after(givers: Sequence[Future[Attempt]], job: Callable[[tuple[Given, ...]], Attempt]) -> Attempt:
    """Wait for the cells that give symbols: they began earlier, so they end whatever happens here."""
    cells = [giver.result().cell for giver in givers]
    return job(tuple(Given(name=cell.id, symvers=cell.symvers) for cell in cells if cell.symvers is not None))


def _attempt(
    workshop: Workshop,
    driver: Driver,
    kernel: Kernel,
    options: BuildOptions,
    output: Path,
    given: tuple[Given, ...],
) -> Attempt:
    try:
        return Attempt(cell=build_in(workshop, driver, kernel, options, output, given))
    except DlkmError as error:
        cell = Cell(
            id=identity(driver, kernel),
            source=driver.path,
            kernel=kernel.id,
            arch=kernel.arch.name,
            outcome=BuildOutcome.FAILED,
            reason=error.what,
        )
        return Attempt(cell=cell, error=error)


def status_of(attempts: Sequence[Attempt]) -> ExitStatus:
    """OK when all were built; the errors' status when nothing else went wrong and they agree; NO otherwise."""
    failed = [attempt for attempt in attempts if attempt.cell.outcome is BuildOutcome.FAILED]
    statuses = {ExitStatus.NO if attempt.error is None else attempt.error.status for attempt in failed}
    if not statuses:
        return ExitStatus.OK
    return statuses.pop() if len(statuses) == 1 else ExitStatus.NO
