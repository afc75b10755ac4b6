# SPDX-License-Identifier: GPL-2.0-or-later
"""Prediction and reality of module files on one kernel, side by side."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dlkm.core.errors import ExitStatus
from dlkm.core.events import Events
from dlkm.core.processes import Spawner
from dlkm.kernel.kernel import Kernel
from dlkm.prove.agreement import Agreement, compare
from dlkm.prove.attempt import Boot, Observed, ProveOptions
from dlkm.prove.plan import attempts_for
from dlkm.prove.run import prove
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Outcome, Verdict


class Expectation(StrEnum):
    """What a user wants to see of every module."""

    LOADS = "loads"
    FAILS = "fails"
    AGREE = "agree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One module on one kernel."""

    path: Path
    predicted: Verdict
    observed: Observed

    @property
    def agreement(self) -> Agreement:
        """Whether reality is as predicted."""
        return compare(self.predicted, self.observed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """What was proven, and the boots it took."""

    boots: tuple[Boot, ...]
    cases: tuple[Case, ...]


def prove_files(
    kernel: Kernel,
    files: Sequence[Path],
    options: ProveOptions,
    params: Sequence[str],
    runner: Spawner,
    events: Events,
) -> Cases:
    """Predict and prove each file, with `params` for every one; errors as `prove` and `Session.verdict`."""
    conditions = Conditions(cmdline=options.cmdline, params=tuple(params))
    session = Session(kernel, conditions, files)
    with ThreadPoolExecutor(max_workers=1) as beside:  # the boot leaves this process idle
        predictions = beside.submit(lambda: [session.verdict(path) for path in files])
        proof = prove(kernel, attempts_for(files, kernel, conditions), options, runner, events)
        predicted = predictions.result()
    cases = zip(files, predicted, proof.observed, strict=True)
    return Cases(
        boots=proof.boots,
        cases=tuple(Case(path=path, predicted=verdict, observed=observed) for path, verdict, observed in cases),
    )


_WANTED = {
    Expectation.LOADS: frozenset({Outcome.LOADS}),
    Expectation.FAILS: frozenset({Outcome.FAILS}),
    Expectation.AGREE: frozenset(Outcome),
}


def status_of(cases: Sequence[Case], expected: Expectation) -> ExitStatus:
    """NO when prediction and reality differ anywhere, or a module did not do what is expected of it."""
    if any(case.agreement is Agreement.DIFFERS for case in cases):
        return ExitStatus.NO
    return ExitStatus.OK if {case.observed.outcome for case in cases} <= _WANTED[expected] else ExitStatus.NO
