# SPDX-License-Identifier: GPL-2.0-or-later
"""A console's text: its beginning and its end, whatever its length."""

from pathlib import Path

import pytest

from dlkm.prove import qemu
from dlkm.prove.qemu import CONSOLE_START, Console


def test_all_of_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / "console"
    path.write_bytes(b"one ")
    console = Console(path)
    assert console.look()
    assert not console.look()
    path.write_bytes(b"one two")
    assert console.content() == b"one two"


def test_beginning_and_end_of_a_long_one(tmp_path: Path) -> None:
    path = tmp_path / "console"
    path.write_bytes(b"begin" + bytes(8 << 20) + b"end")
    content = Console(path).content()
    assert content.startswith(b"begin")
    assert content.endswith(b"end")
    assert b" bytes ...]\n" in content
    assert len(content) < 3 * CONSOLE_START


def test_a_file_without_end_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "CONSOLE_FILE", 10)
    path = tmp_path / "console"
    console = Console(path)
    for _ in range(3):
        with path.open("ab") as stream:
            stream.write(b"x" * 10)
        assert console.look()
        assert path.stat().st_size == 0
    assert console.content() == b"x" * 30
