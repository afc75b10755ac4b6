# SPDX-License-Identifier: GPL-2.0-or-later
"""Real modules with one place changed at random, loaded in booted kernels: what is foretold of them must hold.

A few on one kernel; `make judge` tries many on all, with more seeds where DLKM_SEEDS gives them.
"""

import os
from pathlib import Path

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.prove.agreement import Agreement, compare
from dlkm.prove.attempt import Attempt, Observed, ProveOptions
from dlkm.prove.run import prove
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Outcome, Verdict
from tests.conftest import Tally
from tests.judge.mutants import Mutant, mutants

pytestmark = pytest.mark.integration

ALL = os.environ.get("DLKM_JUDGE") == "all"
KERNELS = ("kernel_61", "kernel_612", "kernel_61_arm64", "kernel_612_arm64") if ALL else ("kernel_61",)
SEEDS = [int(seed) for seed in os.environ.get("DLKM_SEEDS", "612").split()]
COUNT = 400 if ALL else 30
TOGETHER = 25  # loads in one guest
CRASHES = 50  # of so many changes one at most may be such that no file tells that the kernel crashes


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_foretold_holds(
    name: str, seed: int, request: pytest.FixtureRequest, tallies: list[Tally], tmp_path: Path
) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    session = Session(kernel, Conditions(trusted_certs=()), facts=Facts(kernel))
    changed = [(one, _written(one, tmp_path / str(at))) for at, one in enumerate(mutants(kernel, seed, COUNT))]
    predicted = [(one, path, session.verdict(path)) for one, path in changed]
    told = [row for row in predicted if row[2].outcome is not Outcome.CANNOT_TELL]
    assert len(told) > COUNT // 3
    observed = _loaded(kernel, [path for _, path, _ in told])
    answers = [(one, verdict, found) for (one, _, verdict), found in zip(told, observed, strict=True)]
    found = [compare(verdict, seen) for _, verdict, seen in answers]
    untold = len(predicted) - len(told) + found.count(Agreement.OPEN)
    tallies.append(Tally(kernel.id, f"one place changed, seed {seed}", COUNT, found.count(Agreement.AGREES), untold))
    wrong = [row for row, one in zip(answers, found, strict=True) if one is Agreement.DIFFERS or row[2].trouble]
    assert [_told(*row) for row in wrong if row[1].outcome is Outcome.FAILS or row[2].trouble is None] == []
    assert len(wrong) <= max(COUNT // CRASHES, 1), [_told(*row) for row in wrong]


def _written(mutant: Mutant, folder: Path) -> Path:
    path = folder / f"{mutant.name}.ko"
    folder.mkdir()
    path.write_bytes(mutant.data)
    return path


def _loaded(kernel: Kernel, paths: list[Path]) -> list[Observed]:
    """What becomes of each, a few in a guest: one that is changed may harm those after it."""
    attempts = [Attempt(files=(path,)) for path in paths]
    return [
        seen
        for start in range(0, len(attempts), TOGETHER)
        for seen in prove(kernel, attempts[start : start + TOGETHER], ProveOptions(), Processes(), Events()).observed
    ]


def _told(mutant: Mutant, predicted: Verdict, observed: Observed) -> str:
    said = (f"{one.outcome} {one.errno} {one.log}" for one in (predicted, observed))
    return f"{mutant.name}: {mutant.change}: predicted {next(said)}, observed {next(said)} {observed.trouble or ''}"
