# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel's own modules were built for, against the kernel itself: they are the authority."""

from pathlib import Path

import pytest

from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.background import Background
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.others import Others
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Outcome, Severity

pytestmark = pytest.mark.contract


def _sample(kernel: Kernel, count: int = 40) -> list[Path]:
    assert kernel.modules is not None
    files = sorted(Installed(kernel.modules).files())
    return files[:: len(files) // count]


def test_the_kernel_of_an_in_tree_module_is_found(kernel_61: Kernel, kernel_61_rt: Kernel, kernel_612: Kernel) -> None:
    pool = [kernel_612, kernel_61_rt, kernel_61]
    background = Background(others=Others(lambda: pool))
    session = Session(kernel_61_rt, Conditions(), (), background)
    refused = 0
    for path in _sample(kernel_61):
        verdict = session.verdict(path)
        if verdict.outcome is not Outcome.FAILS:
            continue
        cause = next(one for one in verdict.findings if one.severity is Severity.ERROR)
        if cause.rule == "crc-mismatch":
            refused += 1
            assert cause.message.startswith(f"built for {kernel_61.id}: all its symbol versions are that kernel's")
    assert refused > 20


def test_what_a_newer_kernel_no_longer_has_is_said(kernel_61: Kernel, kernel_612: Kernel) -> None:
    """strlcpy was removed in 6.8, PDE_DATA before; 6.1 exports the first."""
    rows = Others(lambda: [kernel_61, kernel_612]).rows(["strlcpy", "no_such_symbol"], kernel_612)
    assert set(rows["strlcpy"]) == {kernel_61.id}
    assert rows["strlcpy"][kernel_61.id].from_kernel
    assert not rows["no_such_symbol"]
