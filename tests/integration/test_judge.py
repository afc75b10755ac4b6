# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge: modules of ours, doctored for every rule, loaded in booted kernels; every prediction must hold.

All of x86-64 and a part of arm64; `make judge` tries all of both, and of the kernels alone whose SPECs are in
DLKM_JUDGE_KERNELS where there are any.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dlkm.kernel.kernel import Kernel
from dlkm.prove.agreement import Agreement
from tests.conftest import Tally, fetched
from tests.judge.court import Judged, all_cases, judge
from tests.judge.pair import CONDITIONS, Case
from tests.judge.shop import Shop, open_shop

pytestmark = pytest.mark.integration

KERNELS = ("kernel_61", "kernel_612")
ARM_KERNELS = ("kernel_61_arm64", "kernel_612_arm64")
OTHERS = os.environ.get("DLKM_JUDGE_KERNELS", "").split()
EVERY = 4  # of the cases that are no different on arm64, in the part that is tried always

if OTHERS:
    BOOTS = [(spec, condition, "all") for spec in OTHERS for condition in CONDITIONS]
elif os.environ.get("DLKM_JUDGE") == "all":
    BOOTS = [(kernel, condition, "all") for kernel in (*KERNELS, *ARM_KERNELS) for condition in CONDITIONS]
else:
    BOOTS = [(kernel, condition, "all") for kernel in KERNELS for condition in CONDITIONS]
    BOOTS += [(ARM_KERNELS[0], condition, "part") for condition in CONDITIONS]


@pytest.fixture(scope="module")
def shop_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kernel], Shop]:
    """The judge's modules for a kernel, built once."""
    known: dict[str, Shop] = {}

    def get(kernel: Kernel) -> Shop:
        if kernel.id not in known:
            known[kernel.id] = open_shop(kernel, tmp_path_factory.mktemp("out"))
        return known[kernel.id]

    return get


def _hold(judged: list[Judged], kernel: Kernel, condition: str, tallies: list[Tally]) -> None:
    """No complaint about any; the counts go into the summary of the run."""
    agreements = [one.agreement for one in judged]
    counts = (len(judged), agreements.count(Agreement.AGREES), agreements.count(Agreement.OPEN))
    tallies.append(Tally(kernel.id, CONDITIONS[condition] or "no condition", *counts))
    complaints = [complaint for one in judged if (complaint := one.complaint()) is not None]
    assert complaints == []
    assert judged


@pytest.mark.parametrize(("name", "condition", "share"), BOOTS)
def test_every_prediction_holds(
    name: str,
    condition: str,
    share: str,
    request: pytest.FixtureRequest,
    shop_of: Callable[[Kernel], Shop],
    tallies: list[Tally],
    tmp_path: Path,
) -> None:
    kernel = fetched(name) if name in OTHERS else request.getfixturevalue(name)
    judged = judge(shop_of(kernel), condition, all_cases() if share == "all" else _part(), tmp_path)
    _hold(judged, kernel, condition, tallies)


def _part() -> list[Case]:
    """All cases for arm64 alone or with a condition, and some of the others."""
    cases = all_cases()
    own = [case for case in cases if case.where.arch == "arm64" or case.condition != "plain"]
    return [*own, *[case for case in cases if case not in own and not case.where.arch][::EVERY]]
