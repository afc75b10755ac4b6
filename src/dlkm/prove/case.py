# SPDX-License-Identifier: GPL-2.0-or-later
"""Prediction and reality of module files on one kernel, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dlkm.core.errors import ExitStatus
from dlkm.core.events import Events
from dlkm.core.processes import Spawner
from dlkm.kernel.kernel import Kernel
from dlkm.prove.agreement import Agreement, compare
from dlkm.prove.attempt import Attempt, Boot, Observed, ProveOptions
from dlkm.prove.plan import attempts_for
from dlkm.prove.run import prove
from dlkm.prove.trial import Trial, TrialOutcome, TrialResult, judged
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
    trials: tuple[TrialResult, ...] = ()


def together(found: Sequence[Cases]) -> Cases:
    """What was proven on several kernels."""
    return Cases(
        boots=tuple(boot for one in found for boot in one.boots),
        cases=tuple(case for one in found for case in one.cases),
        trials=tuple(trial for one in found for trial in one.trials),
    )


def prove_files(
    kernel: Kernel,
    files: Sequence[Path],
    options: ProveOptions,
    params: Sequence[str],
    runner: Spawner,
    events: Events,
    trials: Sequence[Trial] = (),
) -> Cases:
    """Predict and prove each file, with `params` for every one, and try what its own tests ask for.

    The trials' modules are among the files. Errors as `prove` and `Session.verdict`.
    """
    # The guest has no firmware that would have keys enrolled.
    conditions = Conditions(cmdline=options.cmdline, params=tuple(params), trusted_certs=())
    session = Session(kernel, conditions, files)
    with ThreadPoolExecutor(max_workers=1) as beside:  # the boot leaves this process idle
        predictions = beside.submit(lambda: [session.verdict(path) for path in files])
        attempts = attempts_for(files, kernel, conditions)
        proof = prove(kernel, [*attempts, *_with_trials(files, attempts, trials)], options, runner, events)
        predicted = predictions.result()
    cases = zip(files, predicted, proof.observed[: len(files)], strict=True)
    tried = zip(trials, proof.observed[len(files) :], strict=True)
    return Cases(
        boots=proof.boots,
        cases=tuple(Case(path=path, predicted=verdict, observed=observed) for path, verdict, observed in cases),
        trials=tuple(judged(trial, kernel.id, observed) for trial, observed in tried),
    )


def _with_trials(files: Sequence[Path], attempts: Sequence[Attempt], trials: Sequence[Trial]) -> Iterator[Attempt]:
    """For each trial the loading of its module, after what this one needs, in the trial's own way."""
    plain = dict(zip(files, attempts, strict=True))
    for trial in trials:
        yield replace(plain[trial.module], parameters=trial.parameters, program=trial.program)


_WANTED = {
    Expectation.LOADS: frozenset({Outcome.LOADS}),
    Expectation.FAILS: frozenset({Outcome.FAILS}),
    Expectation.AGREE: frozenset(Outcome),
}


def status_of(found: Cases, expected: Expectation, failing: Mapping[str, bool] | None = None) -> ExitStatus:
    """NO when prediction and reality differ, a guest was in trouble, a module did as nobody expects, or a test failed.

    `failing` names the files that are expected to fail whatever else is, and whether it is wrong that one loads.
    """
    exempt = failing or {}
    if any(case.agreement is Agreement.DIFFERS or case.observed.trouble is not None for case in found.cases):
        return ExitStatus.NO
    if any(trial.outcome is TrialOutcome.FAILED for trial in found.trials):
        return ExitStatus.NO
    wrong = (
        exempt[str(case.path)] and case.observed.outcome is Outcome.LOADS
        if str(case.path) in exempt
        else case.observed.outcome not in _WANTED[expected]
        for case in found.cases
    )
    return ExitStatus.NO if any(wrong) else ExitStatus.OK
