# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes after make: judge, collect, record, and put the cell in its place. Runs nothing."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.build.diagnostics import first_cause
from dlkm.build.harvest import Product, chosen, collect, collect_symvers, products
from dlkm.build.judge import Judgement, Run, judge
from dlkm.build.kerneltree import KernelTree
from dlkm.build.output import move_tree, prepared
from dlkm.build.ran import Ran
from dlkm.build.record import Evidence, write_record
from dlkm.build.result import BuildOutcome, Cell, moved
from dlkm.build.work import Made
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import Driver

LOG = "build.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A job after its last make; `start` is when it began, by the monotonic clock, in seconds."""

    identity: str
    driver: Driver
    kernel: Kernel
    tree: KernelTree
    ran: Ran
    made: Made
    start: float
    environment: Mapping[str, str]
    compiler: str


def deliver(job: Finished, target: Path) -> Cell:
    """Put the modules, the log and the record where the user wants them, at once or not at all."""
    made, ran = job.made, job.ran
    found = products(ran.copy, ran.root, job.kernel) if made.named is None else chosen(made, ran.copy, job.kernel)
    judgement = _judgement(job, found)
    with prepared(target) as new:
        _copy_log(ran.log, new / LOG)
        cell = _cell(job, judgement, found if not judgement.reason else (), new)
        cell = replace(cell, seconds=round(time.monotonic() - job.start, 3))
        write_record(new, cell, _evidence(job, judgement))
    return moved(cell, target)


def _copy_log(log: Path, target: Path) -> None:
    """A driver that nothing was run for has none."""
    if log.is_file():
        shutil.copyfile(log, target)
    else:
        target.touch()


def _judgement(job: Finished, found: tuple[Product, ...]) -> Judgement:
    made = job.made
    if made.skipped or made.refused:
        return Judgement(reason=made.skipped or made.refused, diagnostics=())
    run = Run(status=made.status, log=job.ran.log, folder=made.folder, sandboxed=job.ran.bare is None)
    return judge(job.driver, job.kernel, job.tree, run, found)


def _cell(job: Finished, judgement: Judgement, found: tuple[Product, ...], folder: Path) -> Cell:
    """The cell with its files in `folder`; a failed one has no modules: what is there may be for another kernel."""
    built = not judgement.reason
    if built:
        move_tree(job.ran.root, folder / "root")
    return Cell(
        id=job.identity,
        source=job.driver.path,
        kernel=job.kernel.id,
        arch=job.kernel.arch.name,
        outcome=BuildOutcome.BUILT if built else BuildOutcome.SKIPPED if job.made.skipped else BuildOutcome.FAILED,
        reason=judgement.reason,
        cached=built and job.ran.cached,
        modules=collect(found, folder),
        symvers=collect_symvers(job.ran.copy, folder) if built else None,
        log=folder / LOG,
        error=None if built else first_cause(judgement.diagnostics),
    )


def _evidence(job: Finished, judgement: Judgement) -> Evidence:
    return Evidence(
        commands=job.made.commands,
        environment=job.environment,
        compiler=job.compiler,
        sandboxed=job.ran.bare is None,
        diagnostics=judgement.diagnostics,
    )
