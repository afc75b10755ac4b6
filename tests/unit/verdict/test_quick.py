# SPDX-License-Identifier: GPL-2.0-or-later
"""The quick look says yes only where the rules would: on every trial, and on changed modules."""

import random
from pathlib import Path

import pytest

from dlkm.kernel.facts import Facts
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.quick import Quick
from dlkm.verdict.verdict import Outcome
from tests.unit.verdict.trial_list import trials
from tests.unit.verdict.trials import PLAIN, Trial, World, module
from tests.unit.verdict.world import ask, make_kernel

# Worlds that a Session never asks the quick look about: other modules come along.
TRIALS = tuple(trial for trial in trials() if not trial.world.along)


def _look(root: Path, data: bytes, world: World) -> tuple[str, str] | None:
    facts = Facts(make_kernel(root, world))
    conditions = Conditions(**world.conditions)
    quick = Quick(facts, conditions, era_of(facts.kernel))
    return quick.answer(data) if quick.usable else None


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)
def test_what_trips_a_rule_is_never_plain(trial: Trial, tmp_path: Path) -> None:
    assert _look(tmp_path, trial.bad, trial.world) is None


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)
def test_a_plain_twin_has_the_rules_verdict(trial: Trial, tmp_path: Path) -> None:
    world = trial.near or trial.world
    found = _look(tmp_path / "quick", trial.good, world)
    if found is not None:
        verdict = ask(tmp_path / "rules", trial.good, world)
        assert (verdict.outcome, verdict.findings) == (Outcome.LOADS, ())
        assert (verdict.module, verdict.taint) == found


def test_a_good_module_is_plain(tmp_path: Path) -> None:
    assert _look(tmp_path, PLAIN, World()) == ("tiny", "OE")
    assert _look(tmp_path / "intree", module(info=[("intree", "Y")]), World()) == ("tiny", "E")


def test_changed_bytes(tmp_path: Path) -> None:
    facts = Facts(make_kernel(tmp_path / "quick", World()))
    quick = Quick(facts, Conditions(), era_of(facts.kernel))
    numbers = random.Random(61)
    plain = 0
    for number in range(400):
        data = bytearray(PLAIN)
        data[numbers.randrange(len(data))] ^= 1 << numbers.randrange(8)
        found = quick.answer(bytes(data))
        if found is not None:
            plain += 1
            verdict = ask(tmp_path / f"rules{number}", bytes(data), World())
            assert (verdict.outcome, verdict.findings) == (Outcome.LOADS, ())
            assert (verdict.module, verdict.taint) == found
    assert plain > 20
