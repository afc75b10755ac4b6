# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver's own tests in the booted kernel, and what a guest's answer to one means. Pure."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dlkm.core.errnos import errno_name
from dlkm.prove.attempt import Observed, Program, Ran
from dlkm.verdict.verdict import Outcome

SKIPPED = 4  # tools/testing/selftests/kselftest.h: KSFT_SKIP


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One test of a module: how it is loaded, what must come of it, what is run then.

    `cell` is whose test it is. `errno`: loading must fail so; None: it must succeed. Each text of `log` must stand in a
    line that was logged. `digest` stands for all that the test consists of.
    """

    name: str
    cell: str
    module: Path
    parameters: str = ""
    errno: str | None = None
    log: tuple[str, ...] = ()
    program: Program | None = None
    digest: str = ""


class TrialOutcome(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """One test of a cell on its kernel; `why` it did not pass, "" when it did.

    `module` and `observed` are None where it was not tried.
    """

    name: str
    cell: str
    module: Path | None
    kernel: str
    outcome: TrialOutcome
    why: str = ""
    observed: Observed | None = None
    digest: str = ""


def judged(trial: Trial, kernel: str, observed: Observed) -> TrialResult:
    """What the guest's answer means."""
    why = next(_faults(trial, observed), "")
    outcome = TrialOutcome.FAILED if why else TrialOutcome.PASSED
    if not why and observed.ran is not None and observed.ran.status == SKIPPED:
        outcome, why = TrialOutcome.SKIPPED, next(iter(reversed(observed.ran.said)), "it said so")
    return TrialResult(
        name=trial.name,
        cell=trial.cell,
        module=trial.module,
        kernel=kernel,
        outcome=outcome,
        why=why,
        observed=observed,
        digest=trial.digest,
    )


def _faults(trial: Trial, observed: Observed) -> Iterator[str]:
    if observed.trouble is not None:
        yield observed.trouble
    yield from _of_loading(trial, observed)
    logged = (*observed.log, *observed.output)
    for text in trial.log:
        if not any(text in line for line in logged):
            yield f"no line of the log has {text!r}"
    if trial.program is not None and trial.errno is None:
        yield from _of_program(trial.program, observed.ran)


def _of_loading(trial: Trial, observed: Observed) -> Iterator[str]:
    if trial.errno is None and observed.outcome is not Outcome.LOADS:
        yield f"it does not load: {observed.errno}"
    if trial.errno is not None and observed.outcome is Outcome.LOADS:
        yield f"it loads, and should fail with {trial.errno}"
    if trial.errno is not None and observed.errno not in {None, trial.errno}:
        yield f"it fails with {observed.errno}, not {trial.errno}"


def _of_program(program: Program, ran: Ran | None) -> Iterator[str]:
    if ran is None:
        yield "its program was not run"
    elif ran.error:
        yield f"its program cannot be run: {errno_name(ran.error)}"
    elif ran.signal == signal.SIGALRM:
        yield f"its program ran into its time limit ({program.seconds:g} s)"
    elif ran.signal:
        yield f"its program was ended by signal {ran.signal}"
    elif ran.status not in {0, SKIPPED}:
        yield f"its program ended with status {ran.status}"
