# SPDX-License-Identifier: GPL-2.0-or-later
"""No module of a kernel is refused on its own kernel, and the quick look agrees with the rules on every one."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.errors import DlkmError
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.batch import judge_all
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Outcome, Verdict

pytestmark = pytest.mark.contract


def _files(kernel: Kernel) -> list[Path]:
    assert kernel.modules is not None
    return sorted(module_files(kernel.modules))


def _answers(kernel: Kernel, files: Sequence[Path]) -> list[Verdict | DlkmError]:
    return list(judge_all(kernel, files, Conditions(), os.cpu_count() or 1))


@pytest.mark.parametrize("name", ["kernel_61", "kernel_612", "kernel_61_arm64"])
def test_every_module_loads_on_its_own_kernel(name: str, request: pytest.FixtureRequest) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    files = _files(kernel)
    assert len(files) > 3000
    answers = _answers(kernel, files)
    assert len(answers) == len(files)
    assert [one for one in answers if isinstance(one, DlkmError) or one.outcome is not Outcome.LOADS] == []
    assert [one for one in answers if isinstance(one, Verdict) and one.findings] == []


def test_the_rules_alone_say_the_same(kernel_61: Kernel) -> None:
    files = _files(kernel_61)[::7]
    session = Session(kernel_61, Conditions())
    assert [session.verdict(path) for path in files] == _answers(kernel_61, files)


@pytest.mark.parametrize("headers", [True, False], ids=["symvers", "image"])
def test_nearly_every_module_needs_no_closer_look(kernel_61: Kernel, *, headers: bool) -> None:
    kernel = kernel_61 if headers else replace(kernel_61, symvers=None, headers=None)
    files = _files(kernel)[::7]
    session = Session(kernel, Conditions())
    plain = sum(session.plain(path) is not None for path in files)
    assert plain / len(files) > 0.98
