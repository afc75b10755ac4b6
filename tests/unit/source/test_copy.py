# SPDX-License-Identifier: GPL-2.0-or-later
"""The copy of a source directory: what comes along, what does not, and that nothing hostile holds it up."""

import os
import stat
import time
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.source.copy import DEPTH_LIMIT, WHEN, copy_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An empty source directory."""
    path = tmp_path / "source"
    path.mkdir()
    return path


def _write(folder: Path, name: str, text: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def test_products_and_version_control_stay_behind(source: Path, tmp_path: Path) -> None:
    kept = ["Makefile", "x.c", "sub/y.c", "blob.o", ".blob.o.cmd", "firmware.bin", "go.mod", ".clang-format"]
    products = ["x.o", "x.ko", "x.mod", "x.mod.c", "x.mod.o", "Module.symvers", "modules.order",
                "old.ko.xz", "built-in.a", "sub/y.o"]  # fmt: skip
    for name in [*kept, *products, ".git/HEAD", "sub/.svn/entries", ".tmp_versions/x.mod"]:
        _write(source, name)
    for name in (".x.o.cmd", ".x.ko.cmd", "sub/.y.o.cmd"):
        _write(source, name, "savedcmd_/build/x.o := gcc -c x.c\n" if name.startswith("sub") else "cmd_x.o := gcc\n")
    _write(source, "out/x@6.1.0/build.json")
    _write(source, "out/x@6.1.0/x.c")
    assert copy_source(source, tmp_path / "copy") == ()
    assert _names(tmp_path / "copy") == {name for name in kept if name != "x.o"}


def test_the_source_is_only_read(source: Path, tmp_path: Path) -> None:
    script = _write(source, "configure", "#!/bin/sh\n")
    script.chmod(0o555)
    source.chmod(0o555)
    before = source.stat().st_mtime_ns, script.stat().st_mtime_ns
    copy_source(source, tmp_path / "copy")
    assert (source.stat().st_mtime_ns, script.stat().st_mtime_ns) == before
    assert stat.S_IMODE((tmp_path / "copy" / "configure").stat().st_mode) == 0o755
    _write(tmp_path / "copy", "new")
    source.chmod(0o755)


def test_all_files_are_of_one_time(source: Path, tmp_path: Path) -> None:
    """Which of two files is newer depends on who checked them out: make must not be told."""
    old, new = _write(source, "old.c"), _write(source, "new.c")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    os.utime(new, (time.time() + 90_000, time.time() + 90_000))
    copy_source(source, tmp_path / "copy")
    assert {(tmp_path / "copy" / name).stat().st_mtime for name in ("old.c", "new.c")} == {WHEN}


def test_links(source: Path, tmp_path: Path) -> None:
    _write(source, "x.c", "inside")
    _write(source, "sub/y.c")
    _write(tmp_path, "outside.h", "content from outside")
    (tmp_path / "folder").mkdir()
    links = {
        "relative.c": "x.c",
        "sub/up.c": "../x.c",
        "absolute.c": str(source / "x.c"),
        "sub/round.c": "../../source/x.c",
        "folder-inside": "sub",
        "outside.h": "../outside.h",
        "folder-outside": str(tmp_path / "folder"),
        "kernel": "/usr/include",
        "dangling": "nowhere",
        "loop": "loop",
    }
    for name, text in links.items():
        (source / name).symlink_to(text)
    copy = tmp_path / "elsewhere" / "copy"
    copy.parent.mkdir()
    warnings = copy_source(source, copy)
    assert str((copy / "relative.c").readlink()) == "x.c"
    assert str((copy / "sub/up.c").readlink()) == "../x.c"
    for name in ("absolute.c", "sub/round.c"):
        assert (copy / name).is_symlink()
        assert (copy / name).resolve() == copy / "x.c"
    assert str((copy / "folder-inside").readlink()) == "sub"
    assert not (copy / "outside.h").is_symlink()
    assert (copy / "outside.h").read_text() == "content from outside"
    assert (copy / "folder-outside").is_symlink()
    assert not (copy / "folder-outside").exists()
    assert str((copy / "kernel").readlink()) == "/usr/include"
    assert (copy / "dangling").is_symlink()
    assert (copy / "loop").is_symlink()
    assert [warning.split(":")[0] for warning in warnings] == ["folder-outside", "kernel"]


def test_what_is_no_file_is_passed_over(source: Path, tmp_path: Path) -> None:
    os.mkfifo(source / "fifo")
    _write(source, "x.c")
    copy_source(source, tmp_path / "copy")
    assert _names(tmp_path / "copy") == {"x.c"}


def test_directories_can_be_left_out(source: Path, tmp_path: Path) -> None:
    """The output directory and our cache may lie in the source: a copy into itself would never end."""
    _write(source, "x.c")
    _write(source, "results/y.c")
    _write(source, "cache/job/driver/z.c")
    copy_source(source, source / "cache/job/copy", leave_out=[source / "results", source / "cache", tmp_path / "none"])
    assert _names(source / "cache/job/copy") == {"x.c"}


def test_a_tree_too_deep_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "/".join(["d"] * (DEPTH_LIMIT + 2))).mkdir(parents=True)
    with pytest.raises(MalformedError):
        copy_source(source, tmp_path / "copy")


def test_names_of_any_bytes(source: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\n.c")
    _write(source, name)
    copy_source(source, tmp_path / "copy")
    assert (tmp_path / "copy" / name).is_file()
