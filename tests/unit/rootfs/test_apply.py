# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan is carried out whole or not at all, wherever it breaks off."""

import errno
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.errors import MalformedError
from dlkm.core.files import StorageError
from dlkm.rootfs.apply import apply
from dlkm.rootfs.plan import Action, Content, Plan
from dlkm.rootfs.planner import Planner
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import DirectoryRoot, Kind
from tests.unit.rootfs.support import put, snapshot

ALL_DONE = {"etc/old.conf": b"new", "etc/link.conf": b"file now", "etc/same": b"same",
            "lib/modules/6.1/updates/hello.ko": b"module"}  # fmt: skip


@pytest.fixture
def root_dir(tmp_path: Path) -> Path:
    """A root in which each kind of operation has something to do."""
    return _root_in(tmp_path)


def _root_in(parent: Path) -> Path:
    folder = parent / "root"
    put(folder, {"etc/old.conf": "old", "etc/link.conf": "-> ../outside", "etc/stale": "stale", "etc/same": "same"})
    (folder / "etc/same").chmod(0o644)
    (parent / "hello.ko").write_bytes(b"module")
    return folder


def _plan(root: DirectoryRoot) -> Plan:
    planner = Planner(root)
    planner.write("etc/old.conf", Content.of(b"new"))
    planner.write("etc/link.conf", Content.of(b"file now"))
    planner.write("etc/same", Content.of(b"same"))
    planner.write("lib/modules/6.1/updates/hello.ko", Content.of(root.path.parent / "hello.ko"))
    stale = root.place("etc/stale", follow=False)
    if stale.kind is not Kind.MISSING:
        planner.remove(stale)
    return planner.plan()


def test_all_is_done_and_a_second_time_nothing(root_dir: Path) -> None:
    with DirectoryRoot(root_dir) as root:
        apply(_plan(root), root, Records(root.path))
        assert _plan(root).operations == ()
    assert (root_dir / "etc/old.conf").read_bytes() == b"new"
    assert (root_dir / "lib/modules/6.1/updates/hello.ko").read_bytes() == b"module"
    assert sorted(path.name for path in (root_dir / "etc").iterdir()) == ["link.conf", "old.conf", "same"]
    assert not (root_dir / "etc/link.conf").is_symlink()
    assert not (root_dir.parent / "outside").exists()


def test_the_plan_says_it_all(root_dir: Path) -> None:
    with DirectoryRoot(root_dir) as root:
        operations = {operation.path: operation for operation in _plan(root).operations}
    assert [(operation.action, path) for path, operation in operations.items()] == [
        (Action.MKDIR, "lib"),
        (Action.MKDIR, "lib/modules"),
        (Action.MKDIR, "lib/modules/6.1"),
        (Action.MKDIR, "lib/modules/6.1/updates"),
        (Action.REPLACE, "etc/old.conf"),
        (Action.REPLACE, "etc/link.conf"),
        (Action.WRITE, "lib/modules/6.1/updates/hello.ko"),
        (Action.REMOVE, "etc/stale"),
    ]
    # From `printf new | sha256sum`, and the same for old and module.
    assert operations["etc/old.conf"].sha256 == "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
    assert operations["etc/old.conf"].before == "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4"
    assert operations["etc/link.conf"].before == "-> ../outside"
    module = operations["lib/modules/6.1/updates/hello.ko"]
    assert module.sha256 == "120970d812836f19888625587a4606a5ad23cef31c8684e601771552548fc6b9"
    assert module.before is None


def test_planning_changes_nothing(root_dir: Path) -> None:
    before = snapshot(root_dir.parent)
    with DirectoryRoot(root_dir) as root:
        _plan(root)
    assert snapshot(root_dir.parent) == before


def test_modes_are_the_targets_not_the_users(root_dir: Path) -> None:
    old = os.umask(0o077)
    try:
        with DirectoryRoot(root_dir) as root:
            apply(_plan(root), root, Records(root.path))
    finally:
        os.umask(old)
    updates = root_dir / "lib/modules/6.1/updates"
    assert stat.S_IMODE(updates.stat().st_mode) == 0o755
    assert stat.S_IMODE((updates / "hello.ko").stat().st_mode) == 0o644


def test_a_wrong_mode_is_put_right_without_touching_other_links_of_the_file(root_dir: Path) -> None:
    same = root_dir / "etc/same"
    same.chmod(0o600)
    os.link(same, root_dir.parent / "other")
    with DirectoryRoot(root_dir) as root:
        apply(_plan(root), root, Records(root.path))
    assert stat.S_IMODE(same.stat().st_mode) == 0o644
    assert stat.S_IMODE((root_dir.parent / "other").stat().st_mode) == 0o600


@contextmanager
def _failing(monkeypatch: pytest.MonkeyPatch, call: str, at: int, error: BaseException) -> Iterator[list[int]]:
    """The call of that name fails the n-th time; says how often it was called."""
    real = getattr(os, call)
    count = [0]

    def sometimes(*args: Any, **options: Any) -> Any:
        count[0] += 1
        if count[0] == at:
            raise error
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, sometimes)
        yield count


@pytest.mark.parametrize("call", ["mkdir", "open", "link", "rename", "unlink", "fchmod"])
def test_wherever_it_fails_all_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Each call of that kind fails once, until a run has fewer of them."""
    full = OSError(errno.ENOSPC, "No space left on device")
    for at in range(1, 200):
        root_dir = _root_in(tmp_path / str(at))
        before = snapshot(root_dir.parent)
        with DirectoryRoot(root_dir) as root:
            plan = _plan(root)
            with _failing(monkeypatch, call, at, full) as count:
                done = _done(plan, root)
        if done:  # without the call (os.link has a substitute), or with an old file left over at the end
            assert {name: (root_dir / name).read_bytes() for name in ALL_DONE} == ALL_DONE
        else:
            assert snapshot(root_dir.parent) == before, f"{call} number {at}"
        if count[0] < at:
            assert at > 1
            return
    raise AssertionError(call)


def _done(plan: Plan, root: DirectoryRoot) -> bool:
    try:
        apply(plan, root, Records(root.path))
    except StorageError:
        return False
    return True


@pytest.mark.parametrize("call", ["mkdir", "fchmod", "link", "rename"])
def test_an_interruption_takes_all_back(root_dir: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    before = snapshot(root_dir.parent)
    with DirectoryRoot(root_dir) as root:
        plan = _plan(root)
        with _failing(monkeypatch, call, 2, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
            apply(plan, root, Records(root.path))
    assert snapshot(root_dir.parent) == before


@contextmanager
def _heard() -> Iterator[None]:
    """Python hears no SIGINT where a shell started it in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_between_two_renames_waits_until_all_is_done(root_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def interrupted(*args: Any, **options: Any) -> None:
        real(*args, **options)
        os.kill(os.getpid(), signal.SIGINT)

    with _heard(), DirectoryRoot(root_dir) as root:
        plan = _plan(root)
        monkeypatch.setattr(os, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            apply(plan, root, Records(root.path))
        assert _plan(root).operations == ()
    assert not [path for path in root_dir.rglob(".*") if path.suffix in {".old", ".new"}]


def test_no_space_says_what_and_that_nothing_changed(root_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with DirectoryRoot(root_dir) as root:
        plan = _plan(root)
        with _failing(monkeypatch, "fchmod", 2, full), pytest.raises(StorageError) as caught:
            apply(plan, root, Records(root.path))
    assert caught.value.what == f"cannot write {root_dir}/etc/old.conf: No space left on device; nothing was changed"


def test_a_source_that_changes_meanwhile_is_refused(root_dir: Path) -> None:
    with DirectoryRoot(root_dir) as root:
        plan = _plan(root)
        (root_dir.parent / "hello.ko").write_bytes(b"another")
        before = snapshot(root_dir.parent)
        with pytest.raises(MalformedError, match="has changed since"):
            apply(plan, root, Records(root.path))
    assert snapshot(root_dir.parent) == before


def test_a_directory_that_becomes_a_link_meanwhile_leads_nowhere(root_dir: Path) -> None:
    outside = root_dir.parent / "outside-dir"
    outside.mkdir()
    with DirectoryRoot(root_dir) as root:
        plan = _plan(root)
        (root_dir / "etc").rename(root_dir / "etc-old")
        (root_dir / "etc").symlink_to(outside)
        with pytest.raises(StorageError):
            apply(plan, root, Records(root.path))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("place", ["etc", "pipe"])
def test_what_is_no_file_is_not_replaced(root_dir: Path, place: str) -> None:
    os.mkfifo(root_dir / "pipe")
    with DirectoryRoot(root_dir) as root, pytest.raises(MalformedError, match="no regular file"):
        Planner(root).write(place, Content.of(b"x"))


def test_a_file_in_place_of_a_directory_is_told(root_dir: Path) -> None:
    with DirectoryRoot(root_dir) as root:
        with pytest.raises(MalformedError, match="no directory"):
            Planner(root).write("etc/same/hello.conf", Content.of(b"x"))
        with pytest.raises(MalformedError, match="no directory"):
            Planner(root).write("etc/same/deeper/hello.conf", Content.of(b"x"))
