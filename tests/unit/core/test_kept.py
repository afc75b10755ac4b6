# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers kept between runs: what is not exactly what we kept is not there, and there is never too much of it."""

import os
from pathlib import Path

import pytest

from dlkm.core import kept as module
from dlkm.core.kept import Kept

ANSWER = b"4023 verdicts: 4023 loads\n" * 40


def _kept(root: Path) -> Kept:
    return Kept(str(root / "cache"), str(root / "state" / "seal"))


def _entry(root: Path) -> Path:
    (found,) = (root / "cache").iterdir()
    return found


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    _kept(tmp_path).put(b"question", ANSWER)
    assert _kept(tmp_path).get(b"question") == ANSWER
    assert _kept(tmp_path).get(b"another") is None
    assert _entry(tmp_path).stat().st_mode & 0o077 == 0
    assert (tmp_path / "state" / "seal").stat().st_mode & 0o077 == 0


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert _kept(tmp_path).get(b"question") is None
    assert list(tmp_path.iterdir()) == []


def test_every_changed_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    kept = _kept(tmp_path)
    kept.put(b"question", ANSWER)
    path = _entry(tmp_path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert kept.get(b"question") is None, place
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert kept.get(b"question") is None, size
    path.write_bytes(whole + b"\0")
    assert kept.get(b"question") is None
    path.write_bytes(whole)
    assert kept.get(b"question") == ANSWER


def test_an_answer_to_another_question_is_none(tmp_path: Path) -> None:
    kept = _kept(tmp_path)
    kept.put(b"one", b"yes")
    first = _entry(tmp_path)
    raw = first.read_bytes()
    kept.put(b"two", b"no")
    (second,) = set((tmp_path / "cache").iterdir()) - {first}
    second.write_bytes(raw)
    assert kept.get(b"two") is None


def test_a_cache_sealed_by_somebody_else_is_none(tmp_path: Path) -> None:
    theirs = Kept(str(tmp_path / "cache"), str(tmp_path / "theirs"))
    theirs.put(b"question", b"forged")
    assert theirs.get(b"question") == b"forged"
    assert _kept(tmp_path).get(b"question") is None
    _kept(tmp_path).put(b"question", ANSWER)
    assert _kept(tmp_path).get(b"question") == ANSWER


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o602])
def test_what_others_may_read_or_write_is_not_ours(tmp_path: Path, mode: int) -> None:
    kept = _kept(tmp_path)
    kept.put(b"question", ANSWER)
    _entry(tmp_path).chmod(mode)
    assert kept.get(b"question") is None
    _entry(tmp_path).chmod(0o600)
    (tmp_path / "state" / "seal").chmod(mode)
    assert kept.get(b"question") is None
    kept.put(b"other", ANSWER)
    assert kept.get(b"other") is None


def test_another_users_files_are_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _kept(tmp_path)
    kept.put(b"question", ANSWER)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert kept.get(b"question") is None


def test_links_and_directories_are_no_answers(tmp_path: Path) -> None:
    kept = _kept(tmp_path)
    kept.put(b"question", ANSWER)
    path = _entry(tmp_path)
    away = path.rename(tmp_path / "away")
    path.symlink_to(away)
    assert kept.get(b"question") is None
    path.unlink()
    path.mkdir()
    assert kept.get(b"question") is None
    kept.put(b"question", ANSWER)  # there is no place for it, and that is no fault
    assert kept.get(b"question") is None


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be")
    kept = _kept(tmp_path)
    kept.put(b"question", ANSWER)
    assert kept.get(b"question") is None


def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 5000)
    kept = _kept(tmp_path)
    for number in range(20):
        kept.put(b"%d" % number, bytes(1000))
        for place, path in enumerate(sorted((tmp_path / "cache").iterdir(), key=lambda one: one.stat().st_mtime_ns)):
            os.utime(path, ns=(place * 10**9, place * 10**9))
        assert kept.get(b"0") is not None  # asked for each time, it stays
        assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 5000
    assert kept.get(b"19") is not None
    assert kept.get(b"1") is None


def test_what_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 100)
    kept = _kept(tmp_path)
    kept.put(b"question", bytes(101))
    assert kept.get(b"question") is None
