# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of a machine's firmware, which no file tells."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.cli.conditions import by_firmware
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.verdict import Outcome, Verdict
from tests.unit.verdict.trials import World
from tests.unit.verdict.world import make_kernel

UNSIGNED = Verdict(
    path="a.ko", module="a", kernel="k", outcome=Outcome.LOADS, errno=None, log=(), taint="OE", findings=()
)
LOCKING = World(with_="LOCK_DOWN_IN_EFI_SECURE_BOOT")


def test_secure_boot_is_spoken_of(tmp_path: Path) -> None:
    (said,) = by_firmware(make_kernel(tmp_path, LOCKING), Conditions(), [UNSIGNED])
    assert "Secure Boot" in said
    assert "--lockdown integrity" in said


@pytest.mark.parametrize(
    ("world", "conditions", "taint"),
    [
        (LOCKING, Conditions(lockdown="none"), "OE"),
        (LOCKING, Conditions(lockdown="integrity"), "OE"),
        (LOCKING, Conditions(), "O"),
        (World(), Conditions(), "OE"),
    ],
)
def test_it_is_not_where_it_decides_nothing(world: World, conditions: Conditions, taint: str, tmp_path: Path) -> None:
    assert list(by_firmware(make_kernel(tmp_path, world), conditions, [replace(UNSIGNED, taint=taint)])) == []
