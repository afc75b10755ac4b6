# SPDX-License-Identifier: GPL-2.0-or-later
"""No rule without its pair of cases for booted kernels, or a reason why no boot can reach it. Boots nothing."""

from collections import Counter

import pytest

from dlkm.core.arch import arch_named
from dlkm.kernel.config import Config
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.era import rules
from tests.judge.court import all_cases, unreachable

CASES = all_cases()
KERNELS = [
    Kernel(id=release, release=release, arch=arch_named(arch), origin="debian:")
    for release, arch in (
        ("5.10.0-32-amd64", "x86_64"),
        ("6.1.0-56-amd64", "x86_64"),
        ("6.12.117+deb12-amd64", "x86_64"),
        ("6.1.0-56-arm64", "arm64"),
        ("6.12.117+deb12-arm64", "arm64"),
        ("7.3.4+deb13-amd64", "x86_64"),
        ("7.3.4+deb13-arm64", "arm64"),
    )
]
for late in KERNELS[-2:]:  # what Debian no longer builds with: CONFIG_MODVERSIONS, CONFIG_MODULE_ALLOW_BTF_MISMATCH
    vars(late)["config"] = Config({"MODULES": "y", "DEBUG_INFO_BTF_MODULES": "y"})


@pytest.mark.parametrize("rule", rules())
def test_every_rule_has_its_pair_or_a_reason(rule: str) -> None:
    pair = {case.trips for case in CASES if case.rule == rule}
    assert pair == ({True, False} if rule not in unreachable() else set())


def test_cases_and_reasons_are_about_rules() -> None:
    assert {case.rule for case in CASES} - {""} <= set(rules())
    assert set(unreachable()) <= set(rules())
    assert all(unreachable().values())


def test_every_case_is_for_some_kernel() -> None:
    assert [case.id for case in CASES if not any(case.where.holds(kernel) for kernel in KERNELS)] == []


def test_most_rules_are_tried_on_every_kernel() -> None:
    for kernel in KERNELS:
        tried = {case.rule for case in CASES if case.where.holds(kernel)}
        assert len(tried) > 0.75 * (len(rules()) - len(unreachable())), kernel.id


def test_ids_are_unique() -> None:
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []
