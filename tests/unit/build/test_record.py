# SPDX-License-Identifier: GPL-2.0-or-later
"""The record of a build: read back as it was, wherever the directory went; anything else is no record."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.build.record import SCHEMA, Evidence, is_build, read_build, write_record
from dlkm.build.result import BuildOutcome, BuiltModule, Cell, moved
from dlkm.core.errors import MalformedError, UsageError


def _cell(folder: Path) -> Cell:
    for name in ("x.ko", "Module.symvers", "build.log"):
        (folder / name).write_text("")
    return Cell(
        id="x@6.1.0",
        source=Path("/src/x"),
        kernel="6.1.0",
        arch="x86_64",
        outcome=BuildOutcome.BUILT,
        seconds=1.5,
        modules=(BuiltModule(path=folder / "x.ko", sha256="ab", vermagic="6.1.0 SMP "),),
        symvers=folder / "Module.symvers",
        log=folder / "build.log",
    )


def test_read_back_and_after_a_move(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    cell = _cell(first)
    write_record(first, cell, Evidence())
    assert read_build(first) == read_build(first / "build.json") == cell
    assert is_build(first)
    assert is_build(first / "build.json")
    first.rename(second)
    assert read_build(second) == moved(cell, second)
    assert not is_build(first)


def test_no_build(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", tmp_path / "missing" / "build.json"):
        with pytest.raises(UsageError):
            read_build(path)


def _damaged(tmp_path: Path, *keys: str | int, value: Any) -> Path:
    write_record(tmp_path, _cell(tmp_path), Evidence())
    table = json.loads((tmp_path / "build.json").read_text())
    place = table
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (tmp_path / "build.json").write_text(json.dumps(table))
    return tmp_path


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("schema",), "dlkm.build-record/2"),
        (("cell",), []),
        (("cell", "outcome"), "perhaps"),
        (("cell", "seconds"), "long"),
        (("cell", "modules"), None),
        (("cell", "modules", 0, "path"), "/etc/passwd"),
        (("cell", "modules", 0, "path"), "../x.ko"),
        (("cell", "modules", 0, "path"), ".."),
        (("cell", "modules", 0, "path"), "missing.ko"),
        (("cell", "symvers"), "a\0b"),
        (("cell", "log"), 7),
    ],
)
def test_what_is_no_record(tmp_path: Path, keys: tuple[str | int, ...], value: Any) -> None:
    with pytest.raises(MalformedError):
        read_build(_damaged(tmp_path, *keys, value=value))


@given(st.binary(max_size=200) | st.just(b"[" * 100_000) | st.just(json.dumps({"schema": SCHEMA}).encode()))
@settings(max_examples=60, deadline=None)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "build.json"
    path.write_bytes(data)
    with pytest.raises(MalformedError):
        read_build(path)
