# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of cells against what was expected, and the exit status."""

from pathlib import Path

import pytest

from dlkm.build.cells import Attempt
from dlkm.build.result import BuildOutcome, Cell
from dlkm.core.errors import DlkmError, ExitStatus, FetchError, MissingToolError
from dlkm.matrix.outcome import Result, Standing, status_of
from dlkm.matrix.plan import Expected

KNOWN = Expected(reason="known", strict=True, where="dlkm.toml:1")
LOOSE = Expected(reason="known", strict=False, where="dlkm.toml:1")


def _result(outcome: BuildOutcome, expected: Expected | None = None, error: DlkmError | None = None) -> Result:
    cell = Cell(id="a@6.1", source=Path("/a"), kernel="6.1", arch="x86_64", outcome=outcome)
    return Result(attempt=Attempt(cell=cell, error=error), expected=expected)


BUILT, FAILED, SKIPPED = BuildOutcome.BUILT, BuildOutcome.FAILED, BuildOutcome.SKIPPED


@pytest.mark.parametrize(
    ("result", "standing", "status"),
    [
        (_result(BUILT), Standing.BUILT, ExitStatus.OK),
        (_result(FAILED), Standing.FAILED, ExitStatus.NO),
        (_result(SKIPPED), Standing.SKIPPED, ExitStatus.OK),
        (_result(FAILED, KNOWN), Standing.EXPECTED, ExitStatus.OK),
        (_result(BUILT, KNOWN), Standing.SURPRISING, ExitStatus.NO),
        (_result(BUILT, LOOSE), Standing.SURPRISING, ExitStatus.OK),
        (_result(SKIPPED, KNOWN), Standing.SKIPPED, ExitStatus.OK),
        (_result(FAILED, KNOWN, MissingToolError("no compiler")), Standing.FAILED, ExitStatus.MISSING_TOOL),
    ],
)
def test_one_cell(result: Result, standing: Standing, status: ExitStatus) -> None:
    assert (result.standing, status_of([result])) == (standing, status)


def test_several_cells() -> None:
    lost = _result(FAILED, error=FetchError("gone"))
    assert status_of([]) == ExitStatus.OK
    assert status_of([lost, lost, _result(BUILT)]) == ExitStatus.FETCH
    assert status_of([lost, _result(FAILED)]) == ExitStatus.NO
    assert status_of([lost, _result(FAILED, error=MissingToolError("no make"))]) == ExitStatus.NO
