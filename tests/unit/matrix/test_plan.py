# SPDX-License-Identifier: GPL-2.0-or-later
"""From sources, kernels, the project file and flags to cells: which there are, how each is set, and who said so."""

from pathlib import Path

import pytest

from dlkm.core.errors import NothingSelectedError
from dlkm.matrix.declaration import Step
from dlkm.matrix.plan import Flags, Plan, plan
from tests.unit.matrix.world import kernel, project, source

SOURCES = [source("a", 0), source("b", 1)]
KERNELS = [kernel("6.1", 0), kernel("6.12", 1)]
EVERYTHING = ["a@6.1", "a@6.12", "b@6.1", "b@6.12"]
ENTRIES = "sources = ['a', 'b']\nkernels = ['6.1', '6.12']\n"


def _plan(folder: Path, text: str = "", flags: Flags | None = None) -> Plan:
    return plan(SOURCES, KERNELS, flags or Flags(), project(folder, ENTRIES + text))


def _ids(made: Plan) -> list[str]:
    return [cell.id for cell in made.cells]


def test_every_source_for_every_kernel(tmp_path: Path) -> None:
    made = _plan(tmp_path)
    assert (_ids(made), made.left_out, made.warnings) == (EVERYTHING, (), ())
    for sources in ([source("a"), source("b")], SOURCES):  # without a file, no entry of one is meant
        assert _ids(plan(sources, [kernel("6.1"), kernel("6.12")], Flags())) == EVERYTHING


@pytest.mark.parametrize(
    ("text", "flags", "chosen"),
    [
        ("include = ['a@*']", Flags(), ["a@6.1", "a@6.12"]),
        ("include = ['a@6.1', 'b']", Flags(), ["a@6.1", "b@6.1", "b@6.12"]),
        ("exclude = ['a@6.12']", Flags(), ["a@6.1", "b@6.1", "b@6.12"]),
        ("include = ['a']\nexclude = ['*@6.12']", Flags(), ["a@6.1"]),
        ("", Flags(only=("6.12",)), ["a@6.12", "b@6.12"]),
        ("", Flags(only=("6.12",), skip=("a",)), ["b@6.12"]),
        ("exclude = ['a']", Flags(only=("6.12",)), ["b@6.12"]),
    ],
)
def test_select_minus_skip(tmp_path: Path, text: str, flags: Flags, chosen: list[str]) -> None:
    made = _plan(tmp_path, text, flags)
    assert (_ids(made), made.warnings) == (chosen, ())
    assert [one.id for one in made.left_out] == [cell for cell in EVERYTHING if cell not in chosen]


ONLY_GONE = "chooses only cells that are left out by"


@pytest.mark.parametrize(
    ("text", "flags", "said"),
    [
        ("include = ['a', 'c@*']", Flags(), "dlkm.toml:3: 'c@*' chooses no cell"),
        ("", Flags(only=("a", "c")), "--only: 'c' chooses no cell"),
        ("exclude = ['a']", Flags(only=("a@6.1",)), f"--only: 'a@6.1' {ONLY_GONE} dlkm.toml:3: 'a'"),
        ("exclude = ['*']", Flags(), "no cell is left"),
        ("", Flags(skip=("{a,b}",)), "no cell is left"),
    ],
)  # fmt: skip
def test_what_includes_must_choose(tmp_path: Path, text: str, flags: Flags, said: str) -> None:
    with pytest.raises(NothingSelectedError) as caught:
        _plan(tmp_path, text, flags)
    assert caught.value.what == said


def test_what_may_be_meant_is_said(tmp_path: Path) -> None:
    with pytest.raises(NothingSelectedError) as caught:
        _plan(tmp_path, flags=Flags(only=("a@6.13",)))
    assert caught.value.hint is not None
    assert "a@6.1" in caught.value.hint


def test_what_excludes_or_sets_nothing_is_a_warning(tmp_path: Path) -> None:
    text = "exclude = ['c', 'a@6.1', 'a@6.1']\n[[overrides]]\nselect = 'c@*'\n[[tests]]\nname = 't'\nselect = '6.5'"
    made = _plan(tmp_path, text, Flags(skip=("z",)))
    assert made.warnings == (
        "dlkm.toml:3: 'c' chooses no cell, so it leaves none out",
        "--skip: 'z' chooses no cell, so it leaves none out",
        "dlkm.toml:4: 'c@*' chooses no cell, so it is of no effect",
        "dlkm.toml:6: '6.5' chooses no cell, so it is of no effect",
    )


CASCADE = """\
kernels = ["6.1", { spec = "6.12", variables = { K = "kernel", S = "kernel", O = "kernel", F = "kernel" } }]
targets = ["top"]
[variables]
T = "top"
K = "top"
S = "top"
O = "top"
F = "top"
[[sources]]
path = "a"
targets = ["mine"]
variables = { S = "source", O = "source", F = "source" }
[[sources]]
path = "b"
[[overrides]]
select = "a@6.12"
variables = { O = "first", F = "first" }
[[overrides]]
select = "a"
variables = { O = "last" }
"""


def test_the_cascade_and_who_said_what(tmp_path: Path) -> None:
    made = plan(SOURCES, KERNELS, Flags(variables={"F": "flag"}), project(tmp_path, CASCADE))
    cells = {cell.id: cell.settings for cell in made.cells}
    assert {name: (one.value, one.where) for name, one in cells["a@6.12"].variables.items()} == {
        "T": ("top", "dlkm.toml:4"),
        "K": ("kernel", "dlkm.toml:1"),
        "S": ("source", "dlkm.toml:12"),
        "O": ("last", "dlkm.toml:20"),
        "F": ("flag", "--var"),
    }
    assert {name: one.value for name, one in cells["b@6.1"].variables.items()} == {
        "T": "top", "K": "top", "S": "top", "O": "top", "F": "flag"
    }  # fmt: skip
    assert cells["a@6.1"].targets is not None
    assert (cells["a@6.1"].targets.value, cells["a@6.1"].targets.where) == (("mine",), "dlkm.toml:11")
    assert cells["b@6.1"].targets is not None
    assert cells["b@6.1"].targets.value == ("top",)


def test_goals_of_the_command_line_win(tmp_path: Path) -> None:
    made = plan(SOURCES, KERNELS, Flags(targets=("all",)), project(tmp_path, CASCADE))
    assert {cell.settings.targets.value for cell in made.cells if cell.settings.targets is not None} == {("all",)}


def test_expectations_and_tests_go_to_their_cells(tmp_path: Path) -> None:
    text = """\
[[expected-failures]]
select = "a@6.12"
reason = "first"
[[expected-failures]]
select = "a"
reason = "second"
strict = false
[[expected-failures]]
select = "6.12"
reason = "lockdown"
step = "load"
[[tests]]
name = "one"
[[tests]]
name = "two"
select = "b@6.1"
"""
    cells = {cell.id: cell for cell in _plan(tmp_path, text).cells}
    build = {name: cell.failures.get(Step.BUILD) for name, cell in cells.items()}
    assert {name: one and (one.reason, one.strict, one.where) for name, one in build.items()} == {
        "a@6.1": ("second", False, "dlkm.toml:6"),
        "a@6.12": ("first", True, "dlkm.toml:3"),
        "b@6.1": None,
        "b@6.12": None,
    }
    assert [name for name, cell in cells.items() if Step.LOAD in cell.failures] == ["a@6.12", "b@6.12"]
    assert [test.name for test in cells["b@6.1"].tests] == ["one", "two"]
    assert [test.name for test in cells["a@6.1"].tests] == ["one"]
