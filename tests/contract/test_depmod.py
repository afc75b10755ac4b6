# SPDX-License-Identifier: GPL-2.0-or-later
"""Agreement with `depmod -e -E Module.symvers` on what it can see: symbols that lack, and versions that differ."""

import re
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from dlkm.core.names import module_name
from dlkm.core.processes import Processes
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.case import Case
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.reading import plain_bytes
from dlkm.verdict.session import Session
from dlkm.verdict.supply import Supply
from dlkm.verdict.symbols import symbols

pytestmark = pytest.mark.contract

_NEEDS = re.compile(r"depmod: WARNING: (?P<path>\S+) needs unknown symbol (?P<symbol>\S+)")
_DISAGREES = re.compile(r"depmod: WARNING: (?P<path>\S+) disagrees about version of symbol (?P<symbol>\S+)")


def _said_by_depmod(kernel: Kernel, modules: list[Path], root: Path) -> dict[str, set[str]]:
    """Module to the symbols that depmod objects to."""
    folder = root / "lib/modules" / kernel.release
    folder.mkdir(parents=True)
    for path in modules:
        shutil.copy(path, folder)
    argv = ["depmod", "-n", "-e", "-E", str(kernel.symvers), "-b", str(root), kernel.release]
    done = Processes().run(argv)
    said: dict[str, set[str]] = defaultdict(set)
    for line in done.errors.decode().splitlines():
        match = _NEEDS.match(line) or _DISAGREES.match(line)
        if match:
            said[module_name(match["path"])].add(match["symbol"])
    return said


def _said_by_us(kernel: Kernel, modules: list[Path]) -> dict[str, set[str]]:
    session = Session(kernel, Conditions())
    said: dict[str, set[str]] = {}
    for path in modules:
        candidate = Candidate(path, plain_bytes(path), kernel.arch)
        case = Case(
            candidate=candidate,
            facts=session.facts,
            conditions=Conditions(),
            era=era_of(kernel),
            supply=Supply(facts=session.facts),
        )
        found = {trip.subject for trip in symbols(case) if trip.rule in {"unknown-symbol", "crc-mismatch"}}
        if found:
            said[module_name(path.name)] = found
    return said


def _sample(kernel: Kernel) -> list[Path]:
    assert kernel.modules is not None
    return [path for path in sorted(module_files(kernel.modules))[::11] if path.name.endswith(".ko")]


def test_on_its_own_kernel_both_say_nothing(kernel_61: Kernel, tmp_path: Path) -> None:
    modules = _sample(kernel_61)
    assert _said_by_depmod(kernel_61, modules, tmp_path) == _said_by_us(kernel_61, modules) == {}


def test_on_another_kernel_both_name_the_same_symbols(kernel_61: Kernel, kernel_61_rt: Kernel, tmp_path: Path) -> None:
    modules = _sample(kernel_61)
    said = _said_by_depmod(kernel_61_rt, modules, tmp_path)
    assert len(said) > len(modules) / 2
    assert _said_by_us(kernel_61_rt, modules) == said
