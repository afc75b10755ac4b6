# SPDX-License-Identifier: GPL-2.0-or-later
"""Files are written whole or not at all, locks exclude, scratch goes."""

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from dlkm.core.errors import ExitStatus
from dlkm.core.files import (
    StorageError,
    cache_home,
    held_dir,
    inside,
    lock,
    remove_tree,
    scratch_dir,
    sha256_file,
    tree_size,
    try_lock,
    write_atomically,
)


@pytest.mark.parametrize(
    ("env", "home"),
    [
        ({"XDG_CACHE_HOME": "/big/cache", "HOME": "/home/me"}, "/big/cache/dlkm"),
        ({"HOME": "/home/me"}, "/home/me/.cache/dlkm"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.cache/dlkm"),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/dlkm"),
    ],
)
def test_the_cache_is_where_xdg_says(env: dict[str, str], home: str) -> None:
    assert cache_home(env) == Path(home)


def test_digest_of_known_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_writing_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"old")
    write_atomically(path, "näw", 0o600)
    assert path.read_text("utf-8") == "näw"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_writing_replaces_a_link_and_not_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / "file").symlink_to("other")
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "other").read_text() == "other"
    assert not (tmp_path / "file").is_symlink()


def test_a_failed_write_leaves_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        write_atomically(path, b"new")
    assert caught.value.status is ExitStatus.MISSING_TOOL
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]


def test_an_interrupted_write_leaves_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fchmod", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_directory_must_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "file" / "x", b"")
    with pytest.raises(StorageError), lock(tmp_path / "file" / "x"):
        pass
    with pytest.raises(StorageError), scratch_dir(tmp_path / "file"):
        pass


def test_a_lock_keeps_others_out_until_it_is_left(tmp_path: Path) -> None:
    order: list[str] = []
    waits = threading.Event()

    def other() -> None:
        with lock(tmp_path / "lock", waits.set):
            order.append("other")

    with lock(tmp_path / "lock"):
        with try_lock(tmp_path / "lock") as held:
            assert not held
        thread = threading.Thread(target=other)
        thread.start()
        assert waits.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"]
    with try_lock(tmp_path / "lock") as held:
        assert held


def test_a_free_lock_makes_nobody_wait(tmp_path: Path) -> None:
    asked: list[bool] = []
    with lock(tmp_path / "sub" / "lock", lambda: asked.append(True)):
        pass
    assert asked == []


def _end_badly(scratch: Path) -> None:
    (scratch / "deep" / "er").mkdir(parents=True)
    (scratch / "deep" / "er").chmod(0o500)
    (scratch / "deep").chmod(0o500)
    raise InterruptedError


def test_scratch_is_gone_afterwards_even_when_it_ends_badly(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError), scratch_dir(tmp_path / "s") as scratch:
        _end_badly(scratch)
    assert list((tmp_path / "s").iterdir()) == []


def test_removing_a_tree_does_not_go_through_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/link").symlink_to(tmp_path / "kept")
    (tmp_path / "tree/sub").chmod(0o500)
    remove_tree(tmp_path / "tree")
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    assert (tmp_path / "kept/file").read_text() == "x"


def test_the_size_of_a_tree_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/one").write_bytes(bytes(10))
    (tmp_path / "a/b/two").write_bytes(bytes(5))
    (tmp_path / "a/link").symlink_to("one")
    assert tree_size(tmp_path) == 15


@pytest.mark.parametrize("name", ["a", "a/b", "./a", "a..b/c"])
def test_paths_that_stay_inside(name: str) -> None:
    assert inside(name) == name


@pytest.mark.parametrize("name", ["", "/a", "..", "a/../b", "a/..", "a\0b"])
def test_paths_that_may_lead_out(name: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        inside(name)


def _left(folder: Path) -> Path:
    """A directory as a killed process leaves it, ten minutes old."""
    (folder / "sealed").mkdir(parents=True)
    (folder / "sealed/file").write_text("x")
    (folder / "sealed").chmod(0o500)
    os.utime(folder, (time.time() - 600,) * 2)
    return folder


def test_a_held_directory_sweeps_what_was_left(tmp_path: Path) -> None:
    left = _left(tmp_path / "p-left")
    with held_dir(tmp_path, "p-") as path:
        assert not left.exists()
        assert path.name.startswith("p-")
    assert list(tmp_path.iterdir()) == []


def test_a_held_directory_leaves_what_is_in_use_new_or_anothers(tmp_path: Path) -> None:
    others = _left(tmp_path / "q-other")
    elsewhere = _left(tmp_path / "elsewhere/dir")
    (tmp_path / "p-link").symlink_to(elsewhere)
    (tmp_path / "p-new").mkdir()
    with held_dir(tmp_path, "p-") as first:
        os.utime(first, (time.time() - 600,) * 2)
        with held_dir(tmp_path, "p-"):
            assert first.is_dir()
            assert (tmp_path / "p-new").is_dir()
            assert (others / "sealed/file").exists()
            assert (elsewhere / "sealed/file").exists()
