# SPDX-License-Identifier: GPL-2.0-or-later
"""Any bytes at all get a verdict: no exception, in bounded time."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlkm.kernel.facts import Facts
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.check import judge
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.supply import Supply
from dlkm.verdict.verdict import Outcome, Verdict
from tests.unit.verdict.sound_trials import CALLS, SOUND, STRAY
from tests.unit.verdict.trials import ARM, PLAIN, SIGNED, V612, World, arm_module
from tests.unit.verdict.world import make_kernel


def _ask(facts: Facts, data: bytes) -> Verdict:
    candidate = Candidate(Path("any.ko"), data, facts.kernel.arch)
    return judge(candidate, facts, Conditions(), Supply(facts=facts))


@given(data=st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_bytes(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    facts = Facts(make_kernel(tmp_path_factory.mktemp("kernel"), World()))
    assert _ask(facts, data).outcome is Outcome.FAILS


@pytest.mark.parametrize(
    ("data", "world"),
    [(PLAIN, World()), (SIGNED, V612), (arm_module(), ARM), (SOUND, World()), (CALLS, World()), (STRAY, ARM)],
    ids=["6.1", "6.12-signed", "arm64", "tables", "calls", "stray"],
)
def test_changed_bytes(data: bytes, world: World, tmp_path: Path) -> None:
    facts = Facts(make_kernel(tmp_path, world))
    numbers = random.Random(1)
    seen = set()
    for _ in range(600):
        changed = bytearray(data)
        for _ in range(numbers.randrange(1, 4)):
            changed[numbers.randrange(len(changed))] = numbers.randrange(256)
        seen.add(_ask(facts, bytes(changed)).outcome)
    for length in range(0, len(data), 37):
        seen.add(_ask(facts, data[:length]).outcome)
    assert Outcome.FAILS in seen
