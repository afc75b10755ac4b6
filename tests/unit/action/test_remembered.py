# SPDX-License-Identifier: GPL-2.0-or-later
"""Values remembered by files' status: made again exactly when a file changed, or may have."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from dlkm.action.remembered import files_stamp, recall, remember, remembered
from dlkm.action.store import Store

OLD = 1_000_000_000


def _old(path: Path, content: str) -> Path:
    path.write_text(content)
    os.utime(path, (OLD, OLD))
    return path


def test_only_what_is_old_enough_is_remembered(tmp_path: Path) -> None:
    """A file written within the clock's tick may be written again with the same time, as git found."""
    store = Store(tmp_path / "store", 1 << 20)
    remember(store, "ab" * 32, "s", newest=999.0, value=1, began=1000.0)
    assert recall(store, "ab" * 32, "s") is None
    remember(store, "ab" * 32, "s", newest=997.0, value=1, began=1000.0)
    assert recall(store, "ab" * 32, "s") == 1
    assert recall(store, "ab" * 32, "t") is None


def test_a_damaged_note_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", 1 << 20)
    remember(store, "ab" * 32, "s", newest=0, value={"digest": "a"}, began=1000.0)
    path = store.home / "notes" / "ab" / ("ab" * 32)
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"b"'))
    assert recall(store, "ab" * 32, "s") is None


def test_every_change_of_status_is_seen(tmp_path: Path) -> None:
    path = _old(tmp_path / "x", "one")
    before = files_stamp([str(path)]).word
    assert files_stamp([str(path)]).word == before
    _old(path, "two")  # same size, same time; the change time tells
    after = files_stamp([str(path)]).word
    assert after != before
    path.chmod(0o700)
    assert files_stamp([str(path)]).word != after
    path.unlink()
    assert files_stamp([str(path)]).newest == 0


def test_made_once_while_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, known, used = Store(tmp_path / "store", 1 << 20), tmp_path / "gcc", tmp_path / "cc1"
    known.write_text("g")
    used.write_text("c")
    made = []

    def make() -> tuple[str, Iterable[str]]:
        made.append(True)
        return used.read_text(), [str(used)]

    def ask() -> object:
        return remembered(store, "cd" * 32, [str(known)], make)

    assert (ask(), ask(), len(made)) == ("c", "c", 2)  # all of it was made a moment ago
    monkeypatch.setattr("dlkm.action.remembered.time.time", lambda: 4e9)
    assert (ask(), ask(), ask(), len(made)) == ("c", "c", "c", 3)
    used.write_text("d")
    assert (ask(), len(made)) == ("d", 4)
    known.write_text("h")
    assert (ask(), ask(), len(made)) == ("d", "d", 5)
    used.unlink()
    used.write_text("e")
    assert (ask(), len(made)) == ("e", 6)
