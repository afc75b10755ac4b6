# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files the PATHs of `dlkm check` name, each once, and what is known of their builds."""

import argparse
import io
from pathlib import Path

import pytest

from dlkm.build.record import Evidence, write_record
from dlkm.build.result import BuildOutcome, BuiltModule, Cell
from dlkm.cli.selection import Selection, background_of, select
from dlkm.core.arch import arch_named
from dlkm.core.errors import ExitStatus
from dlkm.kernel.kernel import Kernel
from dlkm.report.terminal import Colour, Terminal

KERNEL = Kernel(id="6.1", release="6.1", arch=arch_named("x86_64"), origin="directory")


def _select(*words: str | Path) -> Selection:
    terminal = Terminal(colour=Colour.NEVER, out=io.StringIO(), err=io.StringIO())
    return select(list(map(str, words)), [KERNEL], argparse.Namespace(subdir=""), terminal)


def _build(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"")
    modules = tuple(BuiltModule(path=folder / name, sha256="", vermagic="") for name in names)
    cell = Cell(
        id=folder.name,
        source=Path("/s"),
        kernel="6.1.0-50-amd64",
        arch="x86_64",
        outcome=BuildOutcome.BUILT,
        modules=modules,
    )
    write_record(folder, cell, Evidence())
    return folder


def test_files_directories_and_globs_name_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.ko", "sub/b.ko.xz", "sub/no.txt"):
        (tmp_path / name).write_bytes(b"")
    found = _select(tmp_path / "a.ko", tmp_path / "sub" / ".." / "a.ko", tmp_path, f"{tmp_path}/**/*.ko.xz")
    assert [Path(path).name for path in found.of(KERNEL)] == ["a.ko", "b.ko.xz"]
    assert found.errors == []


def test_words_that_name_nothing_do_not_keep_the_others_away(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.ko").write_bytes(b"")
    found = _select(tmp_path / "absent.ko", f"{tmp_path}/x*.ko", tmp_path / "empty", tmp_path / "a.ko")
    assert [error.status for error in found.errors] == [
        ExitStatus.USAGE,
        ExitStatus.NOTHING_SELECTED,
        ExitStatus.NOTHING_SELECTED,
    ]
    assert len(found.of(KERNEL)) == 1


def test_the_rest_of_a_build_serves_one_of_its_files(tmp_path: Path) -> None:
    folder = _build(tmp_path / "x@6.1", "user.ko", "giver.ko")
    background = background_of(_select(folder / "user.ko"), KERNEL, [])
    assert [path.name for path in background.companions] == ["giver.ko"]
    assert background.recorded[folder / "user.ko"] == "6.1.0-50-amd64"
    assert background_of(_select(folder), KERNEL, []).companions == ()


def test_a_build_that_brought_nothing_is_told_as_such(tmp_path: Path) -> None:
    folder = _build(tmp_path / "x@6.1")
    found = _select(folder, _build(tmp_path / "y@6.1", "y.ko"))
    assert [cell.id for cell in found.failed] == ["x@6.1"]
    assert found.errors == []
    assert [Path(path).name for path in found.of(KERNEL)] == ["y.ko"]


@pytest.mark.parametrize("text", ["", "{", '{"schema": "other"}'])
def test_a_record_that_is_none_tells_nothing_of_a_file_beside_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.ko").write_bytes(b"")
    (tmp_path / "build.json").write_text(text)
    found = _select(tmp_path / "a.ko")
    assert background_of(found, KERNEL, []).companions == ()
    (error,) = _select(tmp_path / "build.json").errors
    assert error.status is ExitStatus.MALFORMED
