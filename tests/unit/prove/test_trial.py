# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest's answer to a driver's own test means."""

from pathlib import Path

import pytest

from dlkm.prove.attempt import Observed, Program, Ran
from dlkm.prove.trial import Trial, TrialOutcome, judged
from dlkm.verdict.verdict import Outcome

PASSED, FAILED, SKIPPED = TrialOutcome.PASSED, TrialOutcome.FAILED, TrialOutcome.SKIPPED
LOADS = Observed(outcome=Outcome.LOADS, output=("hello, me",))
EINVAL = Observed(outcome=Outcome.FAILS, errno="EINVAL", log=("hello: bad",))


def _trial(errno: str | None = None, *log: str, program: bool = False) -> Trial:
    run = Program(data=b"x", seconds=2.5) if program else None
    return Trial(name="t", cell="hello@6.1", module=Path("hello.ko"), errno=errno, log=log, program=run)


def _ran(status: int = 0, signal: int = 0, error: int = 0, *said: str) -> Observed:
    return Observed(outcome=Outcome.LOADS, ran=Ran(error=error, status=status, signal=signal, said=said))


@pytest.mark.parametrize(
    ("trial", "observed", "outcome", "why"),
    [
        (_trial(), LOADS, PASSED, ""),
        (_trial(None, "hello, me"), LOADS, PASSED, ""),
        (_trial(None, "hello, you"), LOADS, FAILED, "no line of the log has 'hello, you'"),
        (_trial(), EINVAL, FAILED, "it does not load: EINVAL"),
        (_trial("EINVAL"), EINVAL, PASSED, ""),
        (_trial("EINVAL", "bad"), EINVAL, PASSED, ""),
        (_trial("EINVAL"), LOADS, FAILED, "it loads, and should fail with EINVAL"),
        (_trial("ENODEV"), EINVAL, FAILED, "it fails with EINVAL, not ENODEV"),
        (_trial("EINVAL"), Observed(outcome=Outcome.FAILS, trouble="a panic"), FAILED, "a panic"),
        (_trial(program=True), _ran(), PASSED, ""),
        (_trial(program=True), _ran(1), FAILED, "its program ended with status 1"),
        (_trial(program=True), _ran(4, 0, 0, "checking", "no device"), SKIPPED, "no device"),
        (_trial(program=True), _ran(4), SKIPPED, "it said so"),
        (_trial(program=True), _ran(0, 14), FAILED, "its program ran into its time limit (2.5 s)"),
        (_trial(program=True), _ran(0, 11), FAILED, "its program was ended by signal 11"),
        (_trial(program=True), _ran(error=8), FAILED, "its program cannot be run: ENOEXEC"),
        (_trial(program=True), LOADS, FAILED, "its program was not run"),
        (_trial("EINVAL", program=True), EINVAL, PASSED, ""),
    ],
)
def test_one_test(trial: Trial, observed: Observed, outcome: TrialOutcome, why: str) -> None:
    found = judged(trial, "6.1", observed)
    assert (found.outcome, found.why, found.kernel, found.cell) == (outcome, why, "6.1", "hello@6.1")
