# SPDX-License-Identifier: GPL-2.0-or-later
"""A staging in a directory is recorded and taken back: contents, modes, times, attributes, links, directories."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.events import Event, EventKind, Events
from dlkm.core.processes import Processes
from dlkm.rootfs.plan import Content, Plan
from dlkm.rootfs.planner import Planner
from dlkm.rootfs.record import FILE, Status, read_record, write_record
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import DirectoryRoot, Root
from dlkm.rootfs.target import Target, looked_at, target
from tests.unit.rootfs.support import put

SILENT = Events()


@pytest.fixture
def root_dir(tmp_path: Path) -> Path:
    """A root with something for each kind of operation, all of it older than the tests."""
    folder = tmp_path / "root"
    put(folder, {"etc/old.conf": "old", "etc/link.conf": "-> ../far", "etc/stale": "stale", "etc/twin": "twin",
                 "usr/lib/x": "", "lib": "-> usr/lib"})  # fmt: skip
    os.link(folder / "etc/twin", folder / "usr/twin")
    (folder / "etc/old.conf").chmod(0o4750)
    os.setxattr(folder / "etc/old.conf", "user.mark", b"\x00\xff")
    for number, path in enumerate(sorted(folder.rglob("*"), reverse=True)):
        os.utime(path, ns=(10**18 + number, 10**18 + number), follow_symlinks=False)
    os.utime(folder, (5, 5))
    return folder


def everything(top: Path) -> dict[str, tuple[object, ...]]:
    """All that a directory holds and all that belongs to it, inodes of regular files included."""
    return {str(path.relative_to(top)): _all_of(path) for path in (top, *top.rglob("*"))}


def _all_of(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    common = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
    if path.is_symlink():
        return *common, str(path.readlink())
    if path.is_dir():
        return common
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return *common, path.read_bytes(), attributes, status.st_nlink


def _plan(root: Root, text: bytes = b"new") -> Plan:
    planner = Planner(root)
    planner.write("etc/old.conf", Content.of(text))
    planner.write("etc/link.conf", Content.of(text))
    planner.write("etc/twin", Content.of(text))
    planner.write("etc/tool", Content.to("../usr/bin/tool"))
    planner.write("lib/modules/6.1/updates/hello.ko", Content.of(text))
    planner.write("etc/deep/er/x.conf", Content.of(text))
    stale = root.place("etc/stale", follow=False)
    if stale.kind != "missing":
        planner.remove(stale)
    return planner.plan()


@contextmanager
def _held(path: Path, records: Path | None = None, events: Events = SILENT) -> Iterator[Target]:
    with target(path, records, Processes(), events) as held:
        yield held


def _stage(root_dir: Path, text: bytes = b"new", records: Path | None = None) -> Path:
    with _held(root_dir, records) as held:
        folder = held.carry_out(_plan(held.root, text))
        assert folder is not None
        return folder


def _undo(root_dir: Path, records: Path | None = None) -> tuple[str, ...]:
    with _held(root_dir, records) as held:
        return held.undo().changed


def test_it_is_taken_back_to_the_byte(root_dir: Path) -> None:
    before = everything(root_dir.parent)
    folder = _stage(root_dir)
    assert folder == root_dir.parent / "root.staged/0001"
    assert (root_dir / "etc/old.conf").read_bytes() == b"new"
    assert _undo(root_dir) == ()
    after = everything(root_dir.parent)
    assert {path: state for path, state in after.items() if path != "."} == {
        path: state for path, state in before.items() if path != "."}  # fmt: skip


def test_several_are_taken_back_in_reverse_order(root_dir: Path) -> None:
    states = []
    for text in (b"1", b"2", b"3"):
        states.append(everything(root_dir))
        _stage(root_dir, text)
    assert [folder.name for folder in Records(root_dir).all()] == ["0001", "0002", "0003"]
    for remaining in (2, 1, 0):
        with _held(root_dir) as held:
            assert held.undo().remaining == remaining
        assert everything(root_dir) == states.pop()
    with _held(root_dir) as held, pytest.raises(UsageError, match="no staging is recorded"):
        held.undo()


def test_nothing_to_do_leaves_no_record(root_dir: Path) -> None:
    _stage(root_dir)
    with _held(root_dir) as held:
        assert held.carry_out(_plan(held.root)) is None
    assert len(Records(root_dir).all()) == 1


def test_a_dry_run_says_what_undoing_would_do(root_dir: Path) -> None:
    _stage(root_dir)
    before = everything(root_dir.parent)
    with looked_at(root_dir, None, Processes(), SILENT) as held:
        undone = held.undo(dry_run=True)
    assert (len(undone.steps), undone.changed, undone.remaining) == (12, (), 0)
    assert everything(root_dir.parent) == before


def _touch_mode(path: Path) -> None:
    (path / "etc/old.conf").chmod(0o600)


CHANGES: dict[str, Callable[[Path], object]] = {
    "etc/old.conf: is not what was put there": lambda root: (root / "etc/old.conf").write_text("mine"),
    "etc/old.conf: has another mode than it was given": _touch_mode,
    "etc/tool: is not there any more": lambda root: (root / "etc/tool").unlink(),
    "etc/stale: was removed, and is there again": lambda root: (root / "etc/stale").write_text("again"),
    "etc/deep/er/mine: was added, in a directory that the staging made": lambda root: (
        root / "etc/deep/er/mine"
    ).touch(),
    "etc/deep: is no directory any more": lambda root: shutil.rmtree(root / "etc/deep"),
}


@pytest.mark.parametrize("said", CHANGES)
def test_what_changed_since_is_told_and_left_alone(root_dir: Path, said: str) -> None:
    _stage(root_dir)
    CHANGES[said](root_dir)
    before = everything(root_dir.parent)
    assert said in _undo(root_dir)
    assert everything(root_dir.parent) == before


def test_a_record_that_lost_its_bytes_is_told(root_dir: Path) -> None:
    folder = _stage(root_dir)
    kept = next(path for path in (folder / "before").iterdir() if path.read_bytes() == b"old")
    kept.unlink()
    assert _undo(root_dir) == ("etc/old.conf: the record has no more what was there before",)


def test_moved_and_copied_both_it_works_the_same(root_dir: Path, tmp_path: Path) -> None:
    """As continuous integration moves them: copies, of which times and modes survive, but hard links do not."""
    before = everything(root_dir)
    _stage(root_dir)
    (tmp_path / "ci").mkdir()
    for name in ("root", "root.staged"):
        shutil.copytree(tmp_path / name, tmp_path / "ci" / name, symlinks=True)
    assert _undo(tmp_path / "ci/root") == ()
    after = everything(tmp_path / "ci/root")
    linked = {"etc/twin", "usr/twin"}
    assert {path: state for path, state in after.items() if path not in linked} == {
        path: state for path, state in before.items() if path not in linked}  # fmt: skip


def test_the_record_may_lie_elsewhere(root_dir: Path, tmp_path: Path) -> None:
    before = everything(root_dir)
    assert _stage(root_dir, records=tmp_path / "a/b").is_relative_to(tmp_path / "a/b")
    assert not (tmp_path / "root.staged").exists()
    with _held(root_dir) as held, pytest.raises(UsageError):
        held.undo()
    assert _undo(root_dir, tmp_path / "a/b") == ()
    assert everything(root_dir) == before


def test_on_another_file_system_it_is_copied(root_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(root_dir)

    def refused(*_args: Any, **_options: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    _stage(root_dir)
    assert _undo(root_dir) == ()
    after = everything(root_dir)
    linked = {"etc/twin", "usr/twin"}  # two files now, alike
    assert {path: state[:6] for path, state in after.items()} == {path: state[:6] for path, state in before.items()}
    assert {path for path in after if after[path] != before[path]} == linked


def test_where_nothing_can_be_written_beside_it_the_users_state_directory_has_the_record(
    root_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    real = Path.mkdir

    def mkdir(self: Path, *args: Any, **options: Any) -> None:
        if self.name.endswith(".staged"):
            raise PermissionError(errno.EACCES, "Permission denied")
        real(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert _stage(root_dir).is_relative_to(tmp_path / "state/dlkm/staged")
    assert _undo(root_dir) == ()


def test_the_machines_own_root_has_nothing_beside_it(tmp_path: Path) -> None:
    records = Records(Path("/"), env={"XDG_STATE_HOME": str(tmp_path)})
    assert records.home is None
    assert records.begin().is_relative_to(tmp_path / "dlkm/staged")


class _Killed(BaseException):
    """In place of SIGKILL: nobody catches it, nothing is tidied up."""


@contextmanager
def _killed_at(monkeypatch: pytest.MonkeyPatch, call: str, at: int) -> Iterator[list[int]]:
    """From the n-th call of that name on nothing at all is done to any file any more."""
    count = [0]
    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink", "rmdir", "mkdir", "link", "symlink", "open", "utime", "chmod"):
            real = getattr(os, name)

            def dying(*args: Any, _real: Any = real, _name: str = name, **options: Any) -> Any:
                count[0] += _name == call
                if count[0] >= at:
                    raise _Killed
                return _real(*args, **options)

            patch.setattr(os, name, dying)
        with suppress(_Killed):
            yield count


@pytest.mark.parametrize("call", ["open", "rename", "replace", "mkdir", "link"])
def test_after_a_kill_anywhere_the_next_run_takes_it_back(
    root_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Or all had been done, and is recorded."""
    before = everything(root_dir)
    for at in range(1, 120):
        with DirectoryRoot(root_dir) as opened:
            plan = _plan(opened)
            with _killed_at(monkeypatch, call, at) as count:
                Target(opened, Records(root_dir), Processes(), SILENT).carry_out(plan)
        said: list[Event] = []
        with _held(root_dir, events=Events(said.append)) as held:
            done = not _plan(held.root).operations
            if done:
                assert held.undo().changed == (), f"{call} number {at}"
        assert everything(root_dir) == before, f"{call} number {at}"
        assert not (tmp_path / "root.staged").exists() or not Records(root_dir).all()
        assert len([event for event in said if event.kind is EventKind.WARNING]) <= 1
        shutil.rmtree(tmp_path / "root.staged", ignore_errors=True)
        if count[0] < at:
            return
    raise AssertionError(call)


@pytest.mark.parametrize("call", ["open", "rename", "link", "unlink", "rmdir"])
def test_an_undoing_that_is_killed_is_finished_by_the_next_run(
    root_dir: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = everything(root_dir)
    for at in range(1, 120):
        _stage(root_dir)
        with DirectoryRoot(root_dir) as opened, _killed_at(monkeypatch, call, at) as count:
            Target(opened, Records(root_dir), Processes(), SILENT).undo()
        with _held(root_dir) as held:
            if held.records.all():
                assert held.undo().changed == (), f"{call} number {at}"
        assert everything(root_dir) == before, f"{call} number {at}"
        if count[0] < at:
            return
    raise AssertionError(call)


def test_what_was_changed_after_a_kill_is_told(root_dir: Path) -> None:
    folder = _stage(root_dir)
    write_record(replace(read_record(folder), status=Status.BEGUN), folder)
    (root_dir / "etc/old.conf").write_text("mine")
    with pytest.raises(MalformedError, match=r"was interrupted, and this was changed since: etc/old\.conf") as caught:
        _stage(root_dir)
    assert str(folder) in str(caught.value.hint)
    assert (root_dir / "etc/old.conf").read_text() == "mine"


DAMAGE = {
    "no JSON": lambda text: text[:-30],
    "another schema": lambda text: text.replace("record/1", "record/9"),
    "outside": lambda text: text.replace('"etc/tool"', '"../etc/tool"'),
    "absolute": lambda text: text.replace('"etc/tool"', '"/etc/tool"'),
    "kept outside": lambda text: text.replace('"kept": "', '"kept": "../../x'),
    "an action nobody knows": lambda text: text.replace('"mkdir"', '"format"'),
    "no number": lambda text: text.replace('"mode": 420', '"mode": "x"'),
    "a list": lambda _text: "[]",
    "deep": lambda _text: "[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_record_is_told(root_dir: Path, damage: Any) -> None:
    folder = _stage(root_dir)
    text = (folder / FILE).read_text()
    assert damage(text) != text
    (folder / FILE).write_text(damage(text))
    before = everything(root_dir.parent)
    with pytest.raises(MalformedError, match="is no record of a staging"):
        _undo(root_dir)
    assert everything(root_dir.parent) == before


def test_the_record_is_written_for_people_too(root_dir: Path) -> None:
    table = json.loads((_stage(root_dir) / FILE).read_text())
    assert (table["schema"], table["status"], table["form"]) == ("dlkm.stage-record/1", "done", "directory")
    steps = {step["path"]: step for step in table["steps"]}
    assert steps["etc/link.conf"]["before"]["target"] == "../far"
    assert steps["etc/old.conf"]["before"]["owned"]["mode"] == 0o4750
    assert steps["etc/tool"]["target"] == "../usr/bin/tool"


def test_new_files_get_the_time_that_is_asked_for(root_dir: Path) -> None:
    with _held(root_dir) as held:
        held.carry_out(_plan(held.root), 1_700_000_000)
    for name in ("etc/old.conf", "usr/lib/modules/6.1/updates/hello.ko", "etc/tool"):
        assert (root_dir / name).lstat().st_mtime == 1_700_000_000
