# SPDX-License-Identifier: GPL-2.0-or-later
"""An answer is given again only while every file and directory it rests on is what it was."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dlkm.cli.recall import keep, recalled, states_of
from dlkm.core.kept import Kept

ARGV = ("check", "modules", "-k", "6.1")
TEXT = b"2 verdicts: 2 loads\n"
LATER = 10 * 10**9  # nanoseconds: the files look old to a run that starts then


class Case:
    """A directory with two modules, and an answer that rests on it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "modules"
        self.folder.mkdir()
        self.one, self.two = self.folder / "one.ko", self.folder / "two.ko"
        self.one.write_bytes(b"one")
        self.two.write_bytes(b"two")
        self.absent = root / "config"
        self.kept = Kept(str(root / "cache"), str(root / "seal"))

    def grounds(self) -> list[str]:
        return [str(path) for path in (self.folder, self.one, self.two, self.absent)]

    def keep(self, since: int | None = None) -> bool:
        states = states_of(self.grounds(), time.time_ns() + LATER if since is None else since)
        return keep(ARGV, states, TEXT, self.kept)

    def recalled(self) -> bytes | None:
        return recalled(ARGV, self.kept)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def _same_size_and_time(case: Case) -> None:
    before = case.one.stat()
    case.one.write_bytes(b"eno")
    os.utime(case.one, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(case: Case) -> None:
    before = case.one.stat()
    other = case.folder.parent / "other"
    other.write_bytes(b"eno")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(case.one)


CHANGES: list[Callable[[Case], object]] = [
    _same_size_and_time,
    _replaced,
    lambda case: case.one.write_bytes(b"longer"),
    lambda case: case.one.unlink(),
    lambda case: case.one.chmod(0),
    lambda case: (case.folder / "three.ko").write_bytes(b"three"),
    lambda case: case.two.rename(case.folder / "deux.ko"),
    lambda case: case.absent.write_text("CONFIG_MODULE_SIG_FORCE=y"),
]


def test_it_is_given_again(case: Case) -> None:
    assert case.recalled() is None
    assert case.keep()
    assert case.recalled() == TEXT
    assert recalled((*ARGV, "--json"), case.kept) is None


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_noticed(case: Case, change: Callable[[Case], object]) -> None:
    assert case.keep()
    time.sleep(0.02)  # a step of the clock by which the kernel dates files
    change(case)
    assert case.recalled() is None


def test_what_changed_while_it_was_read_is_not_kept(case: Case) -> None:
    assert not case.keep(since=case.one.stat().st_ctime_ns)
    assert not case.keep(since=case.one.stat().st_ctime_ns - 1)
    assert case.recalled() is None


def test_a_file_dated_in_the_future_is_not_relied_on(case: Case) -> None:
    ahead = time.time_ns() + 10 * LATER
    os.utime(case.one, ns=(ahead, ahead))
    assert not case.keep()


def test_only_check_is_answered(case: Case) -> None:
    assert recalled((), case.kept) is None
    assert recalled(("build",), case.kept) is None


def test_another_directory_is_another_question(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert case.keep()
    monkeypatch.chdir(tmp_path)
    assert case.recalled() is None


def test_whatever_lies_behind_the_seal_is_no_fault(case: Case) -> None:
    from dlkm.cli.recall import question

    for raw in (b"", b"dlk1", b"dlk1" + b"\xff" * 8, b"dlk1" + bytes(8), b"dlk0" + bytes(100)):
        case.kept.put(question(ARGV), raw)
        assert case.recalled() in {None, b""}
