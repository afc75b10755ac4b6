# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of cells against what was expected of them, and the exit status that follows. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dlkm.build.cells import Attempt
from dlkm.build.result import BuildOutcome
from dlkm.core.errors import ExitStatus
from dlkm.matrix.declaration import Step
from dlkm.matrix.plan import Expected, PlannedCell


class Standing(StrEnum):
    """How a cell stands, in the words of reports."""

    BUILT = "built"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPECTED = "failed, as expected"
    SURPRISING = "built, against expectation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One cell after its build; `expected` is set when it was to fail."""

    attempt: Attempt
    expected: Expected | None = None

    @property
    def standing(self) -> Standing:
        """A cell that could not even be tried has not failed as expected."""
        outcome = self.attempt.cell.outcome
        if self.expected is None or self.attempt.error is not None:
            return Standing(outcome.value)
        return {BuildOutcome.FAILED: Standing.EXPECTED, BuildOutcome.BUILT: Standing.SURPRISING}.get(
            outcome, Standing.SKIPPED
        )


def results_of(attempts: Iterable[Attempt], cells: Sequence[PlannedCell]) -> tuple[Result, ...]:
    """Each attempt with what the plan expected of it."""
    failures: Mapping[str, Mapping[Step, Expected]] = {cell.id: cell.failures for cell in cells}
    return tuple(
        Result(attempt=attempt, expected=failures.get(attempt.cell.id, {}).get(Step.BUILD)) for attempt in attempts
    )


def status_of(results: Iterable[Result]) -> ExitStatus:
    """OK when all went as expected; the errors' status when nothing else went wrong and they agree; NO otherwise."""
    statuses = {_status(result) for result in results} - {ExitStatus.OK}
    if not statuses:
        return ExitStatus.OK
    return statuses.pop() if len(statuses) == 1 else ExitStatus.NO


def _status(result: Result) -> ExitStatus:
    if result.standing is Standing.FAILED:
        return ExitStatus.NO if result.attempt.error is None else result.attempt.error.status
    surprising = result.standing is Standing.SURPRISING and result.expected is not None and result.expected.strict
    return ExitStatus.NO if surprising else ExitStatus.OK


def surprised(results: Iterable[Result]) -> bool:
    """Whether a cell was built that must fail."""
    return any(_status(result) is ExitStatus.NO for result in results if result.standing is Standing.SURPRISING)


def expected_loads(results: Iterable[Result], cells: Sequence[PlannedCell]) -> Mapping[str, Expected]:
    """For each module file of a cell whose load is to fail, why."""
    failures = {cell.id: cell.failures.get(Step.LOAD) for cell in cells}
    return {
        str(module.path): expected
        for result in results
        if (expected := failures.get(result.attempt.cell.id)) is not None
        for module in result.attempt.cell.modules
    }
