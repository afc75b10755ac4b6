# SPDX-License-Identifier: GPL-2.0-or-later
"""A project's tests become trials of the modules that were built; what cannot be tried is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.build.result import BuildOutcome, BuiltModule, Cell
from dlkm.core.errors import UsageError
from dlkm.matrix.declaration import GuestTestTable
from dlkm.matrix.plan import CellSettings, PlannedCell
from dlkm.matrix.trials import Preparing, digest_of
from dlkm.prove.trial import TrialOutcome
from tests.unit.build.fakes import FakeRunner
from tests.unit.matrix.world import kernel, source

KERNEL = kernel("6.1").kernel
SMOKE = GuestTestTable(name="smoke", parameters="x=1", errno="EINVAL", log=("no",))


def _planned(*tests: GuestTestTable) -> PlannedCell:
    return PlannedCell(id="a@6.1", source=source("a"), kernel=KERNEL, settings=CellSettings(), tests=tests)


def _cell(*names: str) -> Cell:
    modules = tuple(BuiltModule(path=Path("/out") / name, sha256="", vermagic="") for name in names)
    return Cell(id="a@6.1", source=Path("/a"), kernel="6.1", arch="x86_64", outcome=BuildOutcome.BUILT, modules=modules)


def _preparing(folder: Path) -> Preparing:
    return Preparing(KERNEL, folder, folder, FakeRunner({}))


def test_a_test_is_for_the_only_module(tmp_path: Path) -> None:
    (trial,) = _preparing(tmp_path).trials_of(_planned(SMOKE), _cell("a.ko"))
    assert (trial.name, trial.cell, trial.module) == ("smoke", "a@6.1", Path("/out/a.ko"))
    assert (trial.parameters, trial.errno, trial.log, trial.program) == ("x=1", "EINVAL", ("no",), None)


@pytest.mark.parametrize("name", ["b_c", "b-c"])
def test_or_for_the_one_that_it_names(tmp_path: Path, name: str) -> None:
    (trial,) = _preparing(tmp_path).trials_of(_planned(replace(SMOKE, module=name)), _cell("a.ko", "b-c.ko"))
    assert trial.module == Path("/out/b-c.ko")


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (None, "cannot be tried: which of its modules is it for? a, b: name it with module"),
        ("c", "cannot be tried: there is no module c among a, b"),
    ],
)
def test_one_that_is_for_none_has_failed(tmp_path: Path, module: str | None, why: str) -> None:
    preparing = _preparing(tmp_path)
    assert preparing.trials_of(_planned(replace(SMOKE, module=module)), _cell("a.ko", "b.ko")) == ()
    (result,) = preparing.impossible
    assert (result.outcome, result.why, result.cell) == (TrialOutcome.FAILED, why, "a@6.1")


def test_a_program_that_is_none_is_the_projects_fault(tmp_path: Path) -> None:
    test = GuestTestTable(name="smoke", run="smoke")
    with pytest.raises(UsageError, match=r"test smoke: cannot read .*/smoke"):
        _preparing(tmp_path).trials_of(_planned(test), _cell("a.ko"))


def test_the_digest_stands_for_all_of_a_test(tmp_path: Path) -> None:
    test = GuestTestTable(name="smoke", run="smoke.c")
    (tmp_path / "smoke.c").write_text("int main;")
    digests = {digest_of(test, tmp_path), digest_of(replace(test, arguments=("x",)), tmp_path)}
    (tmp_path / "smoke.c").write_text("int main();")
    digests.add(digest_of(test, tmp_path))
    (tmp_path / "smoke.c").unlink()
    digests.add(digest_of(test, tmp_path))
    assert len(digests) == 4
