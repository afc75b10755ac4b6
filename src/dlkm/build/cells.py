# SPDX-License-Identifier: GPL-2.0-or-later
"""Several drivers for several kernels: every cell is tried, whatever becomes of the others. Builds nothing itself."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dlkm.build.job import build_in, identity
from dlkm.build.options import BuildOptions
from dlkm.build.result import BuildOutcome, Cell
from dlkm.build.work import Workshop
from dlkm.core.errors import DlkmError, ExitStatus
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import Driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One cell; `error` is set when it could not even be tried."""

    cell: Cell
    error: DlkmError | None = None


def build_all(
    workshop: Workshop, drivers: Sequence[Driver], kernels: Sequence[Kernel], options: BuildOptions, output: Path
) -> Iterator[Attempt]:
    """Try every cell, as many at once as there are jobs; the answers come in the order of the cells."""
    cells = [(driver, kernel) for driver in drivers for kernel in kernels]
    if workshop.jobs is None or len(cells) == 1:
        yield from (_attempt(workshop, driver, kernel, options, output) for driver, kernel in cells)
        return
    with ThreadPoolExecutor(max_workers=min(len(cells), workshop.jobs.jobs)) as pool:
        started = [pool.submit(_attempt, workshop, *cell, options, output) for cell in cells]
        try:
            for one in started:
                yield one.result()
        except BaseException:
            # Interrupted, or nobody wants the rest: threads end when what they wait for does.
            pool.shutdown(wait=False, cancel_futures=True)
            workshop.jobs.stop()
            workshop.runner.end_all()
            raise


def _attempt(workshop: Workshop, driver: Driver, kernel: Kernel, options: BuildOptions, output: Path) -> Attempt:
    try:
        return Attempt(cell=build_in(workshop, driver, kernel, options, output))
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
