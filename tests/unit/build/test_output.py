# SPDX-License-Identifier: GPL-2.0-or-later
"""The output directory: whole or not at all, and only ours is replaced."""

from pathlib import Path

import pytest

from dlkm.build.output import ensure_replaceable, output_directory, prepared
from dlkm.core.errors import UsageError


def test_the_new_takes_the_place_of_the_old(tmp_path: Path) -> None:
    target = output_directory(tmp_path / "out", "x@6.1.0")
    for text in ("first", "second"):
        with prepared(target) as new:
            assert (target / "file").exists() == (text == "second")
            (new / "file").write_text(text)
            (new / text).write_text("")
    assert {path.name for path in target.iterdir()} == {"file", "second"}
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert target.stat().st_mode & 0o777 == 0o755


def _interrupted(target: Path) -> None:
    with prepared(target) as new:
        (new / "file").write_text("new")
        raise KeyboardInterrupt


def test_an_interruption_leaves_the_old(tmp_path: Path) -> None:
    target = tmp_path / "x@1"
    with prepared(target) as new:
        (new / "file").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _interrupted(target)
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x@1"]


def test_what_no_build_made_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("full")
    for name in ("full", "file", "link"):
        with pytest.raises(UsageError):
            ensure_replaceable(tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full" / "build.json").write_text("")
    for name in ("full", "empty", "missing"):
        ensure_replaceable(tmp_path / name)


def test_an_id_is_one_directory(tmp_path: Path) -> None:
    assert output_directory(tmp_path, "x@6.1@dir/with/slashes").parent == tmp_path


def test_what_was_found_out_moves_along(tmp_path: Path) -> None:
    target = tmp_path / "a@6.1"
    for text in ("first", "second"):
        with prepared(target) as new:
            (new / "build.json").write_text(text)
        if text == "first":
            (target / "verdict.json").write_text("loads")
            (target / "proof.json").symlink_to("/etc/hostname")
            (target / "notes.txt").write_text("mine")
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        "build.json": "second",
        "verdict.json": "loads",
    }
