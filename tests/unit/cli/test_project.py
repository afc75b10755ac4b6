# SPDX-License-Identifier: GPL-2.0-or-later
"""What flags and dlkm.toml say together for a whole run, and when a verb runs the project at all."""

import argparse
import io
from pathlib import Path

import pytest

from dlkm.cli.main import parser_of
from dlkm.cli.project import Project, project_of, runs_project
from dlkm.core.errors import NothingSelectedError, UsageError
from dlkm.core.events import Events
from dlkm.kernel import select
from dlkm.kernel.pool import Pool
from dlkm.report.terminal import Colour, Terminal
from tests.unit.kernel.fake_debian import CONFIG, SYMVERS, FakeDebian

FILE = """\
kernels = ["6.1.1"]
sources = ["a"]
output = "there"
[recipes]
machine = "board"
layers = ["one"]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with two drivers, and a pool with two kernels."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Makefile").write_text("obj-m := x.o\n")
    for release in ("6.1.1", "6.1.2"):
        build = tmp_path / "builds" / release
        (build / "include/generated").mkdir(parents=True)
        (build / "include/generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{release}"\n')
        (build / ".config").write_text(CONFIG)
        (build / "Makefile").write_text("VERSION = 6\n")
        (build / "Module.symvers").write_text(SYMVERS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    select.add([str(tmp_path / "builds" / name) for name in ("6.1.1", "6.1.2")], Pool(), Events(), FakeDebian())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _planned(*words: str, verb: str = "build") -> tuple[Project, argparse.Namespace]:
    arguments = parser_of(verb).parse_args(words)
    terminal = Terminal(colour=Colour.NEVER, out=io.StringIO(), err=io.StringIO())
    return project_of(arguments, arguments.sources, terminal, unverified=True), arguments


def _ids(project: Project) -> list[str]:
    return [cell.id for cell in project.plan.cells]


def test_the_file_says_what_no_flag_does(place: Path) -> None:
    (place / "dlkm.toml").write_text(FILE)
    project, arguments = _planned()
    assert (_ids(project), project.output) == (["a@6.1.1"], Path("there"))
    assert (arguments.machine, arguments.layers, arguments.yocto) == ("board", [Path("one")], None)
    assert [(one.name, one.value, one.where) for one in project.settings] == [
        ("output", "there", "dlkm.toml:3"),
        ("machine", "board", "dlkm.toml:5"),
        ("layers", "one", "dlkm.toml:6"),
    ]


def test_flags_win_over_the_file(place: Path) -> None:
    (place / "dlkm.toml").write_text(FILE)
    words = ["-k", "6.1.*", "-o", "here", "--machine", "other", "--layer", "two", "--offline"]
    project, arguments = _planned(*words)
    assert (_ids(project), project.output) == (["a@6.1.1", "a@6.1.2"], Path("here"))
    assert (arguments.machine, arguments.layers) == ("other", [Path("one"), Path("two")])
    assert [(one.name, one.value, one.where) for one in project.settings] == [
        ("output", "here", "-o"),
        ("machine", "other", "--machine"),
        ("offline", "True", "--offline"),
        ("layers", "one, two", "dlkm.toml:6, --layer"),
    ]


def test_with_sources_the_file_is_not_read(place: Path) -> None:
    (place / "dlkm.toml").write_text("this is no TOML")
    project, _ = _planned("b", "-k", "6.1.2")
    assert (_ids(project), project.output, project.file, project.settings) == (["b@6.1.2"], Path("out"), None, ())


def test_without_both_it_is_the_driver_here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        _planned("-k", "6.1.1")
    assert caught.value.hint is not None
    assert "dlkm.toml" in caught.value.hint
    monkeypatch.chdir(place / "a")
    assert _ids(_planned("-k", "6.1.1")[0]) == ["a@6.1.1"]


@pytest.mark.parametrize(
    ("text", "words", "error", "said"),
    [
        ("kernels = ['6.1.1']", [], UsageError, "dlkm.toml names no source"),
        ("sources = ['a']", [], UsageError, "no kernel to build for"),
        (FILE, ["--subdir", "x"], UsageError, "--subdir needs a SOURCE"),
        ("sources = ['c']\nkernels = ['6.1.1']", [], UsageError, "dlkm.toml:1: no source directory at c"),
        ("sources = ['a']\nkernels = ['7.*']", [], NothingSelectedError, "no kernel in the pool matches '7.*'"),
        (FILE, ["--only", "b"], NothingSelectedError, "--only: 'b' chooses no cell"),
    ],
)
def test_what_cannot_be_planned(place: Path, text: str, words: list[str], error: type[Exception], said: str) -> None:
    (place / "dlkm.toml").write_text(text)
    with pytest.raises(error) as caught:
        _planned(*words)
    assert said in str(caught.value)


def test_a_kernel_has_the_settings_of_every_entry_that_names_it(place: Path) -> None:
    text = "sources = ['a']\nkernels = ['6.1.*', {spec = '6.1.2', variables = {X = '2'}}]\nvariables = {X = '1'}\n"
    (place / "dlkm.toml").write_text(text)
    project, _ = _planned()
    assert {cell.id: cell.settings.variables["X"].value for cell in project.plan.cells} == {
        "a@6.1.1": "1",
        "a@6.1.2": "2",
    }


def test_which_verbs_run_the_project(place: Path) -> None:
    none = argparse.Namespace(only=[], skip=[])
    chosen = argparse.Namespace(only=["a"], skip=[])
    assert not runs_project(none, [])
    (place / "dlkm.toml").write_text(FILE)
    assert runs_project(none, [])
    assert runs_project(chosen, [])
    assert not runs_project(none, ["x.ko"])
    with pytest.raises(UsageError, match="--only and --skip choose among the cells"):
        runs_project(chosen, ["x.ko"])
