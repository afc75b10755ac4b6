# SPDX-License-Identifier: GPL-2.0-or-later
"""What a path on the command line is taken for: a source, builds made earlier, a file."""

from pathlib import Path

import pytest

from dlkm.build.record import Evidence, write_record
from dlkm.build.result import BuildOutcome, Cell
from dlkm.cli.inputs import sort_out
from dlkm.core.errors import UsageError


def _source(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text("obj-m := hello.o\n")
    return folder


def _build(folder: Path) -> Path:
    folder.mkdir(parents=True)
    cell = Cell(id=folder.name, source=Path("/s"), kernel="6.1", arch="x86_64", outcome=BuildOutcome.BUILT)
    write_record(folder, cell, Evidence())
    return folder


def test_sources_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first, second = sort_out([_source(tmp_path / "x/hello"), _source(tmp_path / "y/hello")])
    assert first.driver is not None
    assert second.driver is not None
    assert (first.driver.name, second.driver.name) == ("x-hello", "y-hello")


def test_a_source_named_twice_comes_once(tmp_path: Path) -> None:
    source = _source(tmp_path / "hello")
    (tmp_path / "link").symlink_to(source)
    (only,) = sort_out([source, tmp_path / "link", source / ".." / "hello"])
    assert only.driver is not None
    assert only.driver.name == "hello"


def test_a_source_with_old_builds_below_it_is_a_source(tmp_path: Path) -> None:
    source = _source(tmp_path / "hello")
    _build(source / "hello@6.1")
    (item,) = sort_out([source])
    assert item.builds == ()
    assert item.driver is not None


def test_a_directory_that_is_no_source_stands_for_the_builds_in_it(tmp_path: Path) -> None:
    builds = [_build(tmp_path / "out/a@6.1"), _build(tmp_path / "out/b@6.1")]
    directory, build, record = sort_out([tmp_path / "out", builds[0], builds[1] / "build.json"])
    assert directory.builds == tuple(builds)
    assert build.builds == (builds[0],)
    assert record.builds == (builds[1] / "build.json",)


def test_the_subdirectory_makes_a_source(tmp_path: Path) -> None:
    _source(tmp_path / "top/drv")
    (item,) = sort_out([tmp_path / "top"], "drv")
    assert item.driver is not None
    assert item.driver.subdir == "drv"


def test_a_file_is_a_file_and_nothing_is_an_error(tmp_path: Path) -> None:
    (item,) = sort_out([tmp_path / "hello.ko"])
    assert (item.driver, item.builds) == (None, ())
    with pytest.raises(UsageError, match="no Makefile"):
        sort_out([tmp_path])
