# SPDX-License-Identifier: GPL-2.0-or-later
"""Every rule: what trips it is predicted with errno and lines, its twin does not trip it; no rule is without both."""

from pathlib import Path

import pytest

from dlkm.verdict.era import rules
from tests.unit.verdict.trial_list import trials
from tests.unit.verdict.trials import Trial
from tests.unit.verdict.world import ask

TRIALS = tuple(trials())


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)
def test_trips_first_with_the_kernels_own_words(trial: Trial, tmp_path: Path) -> None:
    verdict = ask(tmp_path, trial.bad, trial.world)
    unmasked = {finding.rule for finding in verdict.findings if not finding.masked}
    assert trial.rule.partition("/")[0] in unmasked
    assert (verdict.outcome, verdict.errno, verdict.log) == (trial.outcome, trial.errno, trial.log)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)
def test_its_twin_does_not_trip(trial: Trial, tmp_path: Path) -> None:
    verdict = ask(tmp_path, trial.good, trial.near or trial.world)
    assert trial.rule.partition("/")[0] not in {finding.rule for finding in verdict.findings}


def test_every_rule_has_its_trials() -> None:
    assert {trial.rule for trial in TRIALS} == set(rules())


def test_ids_are_unique() -> None:
    assert len({trial.id for trial in TRIALS}) == len(TRIALS)
