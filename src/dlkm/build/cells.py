# SPDX-License-Identifier: GPL-2.0-or-later
"""Several drivers for several kernels: every cell is tried, whatever becomes of the others. Builds nothing itself."""

from collections.abc import Iterator, Sequence
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
    """Try every cell, one after the other: each uses all the cores it is given."""
    for driver in drivers:
        for kernel in kernels:
            yield _attempt(workshop, driver, kernel, options, output)


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
