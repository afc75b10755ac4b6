# SPDX-License-Identifier: GPL-2.0-or-later
"""Agreement with `depmod -e -E Module.symvers` on what it can see: symbols that lack, and versions that differ."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from dlkm.core.names import module_name
from dlkm.core.processes import Processes
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.symvers import Symvers
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.case import Case
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.early import module_layout
from dlkm.verdict.era import era_of
from dlkm.verdict.reading import plain_bytes
from dlkm.verdict.session import Session
from dlkm.verdict.supply import Supply
from dlkm.verdict.symbols import symbols

pytestmark = pytest.mark.contract

_NEEDS = re.compile(r"depmod: WARNING: (?P<path>\S+) needs unknown symbol (?P<symbol>\S+)")
_DISAGREES = re.compile(r"depmod: WARNING: (?P<path>\S+) disagrees about version of symbol (?P<symbol>\S+)")


def _said_by_depmod(kernel: Kernel, modules_dir: Path, root: Path) -> dict[str, set[str]]:
    """Module to the symbols that depmod objects to, of all modules in a directory taken for the kernel's."""
    (root / "lib/modules").mkdir(parents=True)
    (root / "lib/modules" / kernel.release).symlink_to(modules_dir)
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
        trips = (*module_layout(case), *symbols(case))
        found = {trip.subject for trip in trips if trip.rule.partition("/")[0] in {"unknown-symbol", "crc-mismatch"}}
        if found:
            said[module_name(path.name)] = found
    return said


def _files(kernel: Kernel) -> list[Path]:
    assert kernel.modules is not None
    return sorted(module_files(kernel.modules))


@pytest.mark.parametrize("name", ["kernel_61", "kernel_61_arm64"])
def test_on_its_own_kernel_both_say_nothing(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    assert kernel.modules is not None
    assert _said_by_depmod(kernel, kernel.modules, tmp_path) == {}
    assert _said_by_us(kernel, _files(kernel)) == {}


@pytest.mark.parametrize(
    ("of", "on", "every"),
    [("kernel_61", "kernel_61_rt", 1), ("kernel_61_rt", "kernel_61", 1), ("kernel_612", "kernel_61", 10)],
)
def test_on_another_kernel_both_name_the_same_symbols(
    of: str, on: str, every: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Symbols of modules are left out: depmod takes them from the foreign modules, the kernel from its own."""
    theirs_of: Kernel = request.getfixturevalue(of)
    kernel: Kernel = request.getfixturevalue(on)
    assert theirs_of.modules is not None
    modular = _modular(theirs_of) | _modular(kernel)
    files = _files(theirs_of)[::every]
    names = {module_name(path.name) for path in files}
    said = _said_by_depmod(kernel, theirs_of.modules, tmp_path)
    theirs = {name: symbols - modular for name, symbols in said.items() if name in names and symbols - modular}
    ours = {name: symbols - modular for name, symbols in _said_by_us(kernel, files).items()}
    assert len(theirs) > len(files) / 2
    assert {name: symbols for name, symbols in ours.items() if symbols} == theirs


def _modular(kernel: Kernel) -> set[str]:
    """What its modules export."""
    assert kernel.symvers is not None
    return {one.name for one in Symvers.read(kernel.symvers).symbols.values() if not one.from_kernel}
