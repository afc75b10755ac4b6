# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest reads: the index and the bytes it points to, in as many boots as the memory asks for."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.prove import payload
from dlkm.prove.attempt import Attempt, Program
from dlkm.prove.payload import MAX_PIECES, Payload, batches, build, validate


def _attempt(*files: Path, parameters: str = "", flags: int = 0) -> Attempt:
    return Attempt(files=files, parameters=parameters, flags=flags)


@pytest.fixture
def modules(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.ko" for name in "abc"]
    for number, path in enumerate(paths):
        path.write_bytes(path.name.encode() * (number + 1))
    return paths


def _index(data: bytes) -> tuple[list[str], bytes]:
    head, rest = data.split(b"\n", 1)
    magic, length = head.split(b" ")
    assert magic == b"dlkm1"
    return rest[: int(length)].decode().splitlines(), rest[int(length) :]


def test_a_shared_file_is_there_once(modules: list[Path]) -> None:
    a, b, c = modules
    lines, files = _index(build({3: _attempt(a, b), 7: _attempt(a, c, parameters="x=1 2", flags=2)}).data)
    assert lines == [
        "file 0 4",
        "file 4 8",
        "file 12 12",
        "try 3 0 = 0 1",
        f"try 7 2 ={b'x=1 2'.hex()} 0 2",
    ]
    assert files == a.read_bytes() + b.read_bytes() + c.read_bytes()


def test_a_program_goes_before_its_attempt(modules: list[Path]) -> None:
    program = Program(data=b"elf", arguments=("-v", "a b"), seconds=1.5)
    script = Program(data=b"#!/bin/sh", shell=b"busybox")
    attempts = {
        0: Attempt(files=(modules[0],), program=program),
        1: Attempt(files=(modules[0],), program=script),
        2: Attempt(files=(modules[0],), program=script),
    }
    lines, files = _index(build(attempts).data)
    assert lines[4:] == [
        f"run 0 2 1 - ={b'-v'.hex()} ={b'a b'.hex()}",
        "try 0 0 = 0",
        "run 1 60 2 3",
        "try 1 0 = 0",
        "run 2 60 2 3",
        "try 2 0 = 0",
    ]
    assert files == b"a.koelf#!/bin/shbusybox"


def test_programs_count_in_a_boot(modules: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "BATCH", 8)
    program = Program(data=b"12345")
    attempts = {0: Attempt(files=(modules[0],)), 1: Attempt(files=(modules[0],), program=program)}
    assert [list(group) for group in batches(attempts)] == [[0], [1]]


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty.ko"
    empty.touch()
    lines, files = _index(build({0: _attempt(empty)}).data)
    assert lines[0] == "file 0 0"
    assert files == b""


@pytest.mark.parametrize("size", [1, 4096, 4097, MAX_PIECES * 4096, MAX_PIECES * 4096 + 1, 9 << 20])
def test_pieces_make_the_whole(size: int) -> None:
    whole = bytes(size)
    pieces = Payload(data=whole).pieces()
    assert b"".join(pieces) == whole
    assert len(pieces) <= MAX_PIECES
    assert all(len(piece) % 4096 == 0 for piece in pieces[:-1])


def test_a_boot_takes_what_fits(modules: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = modules
    monkeypatch.setattr(payload, "BATCH", 12)
    groups = list(batches({0: _attempt(a, b), 1: _attempt(a), 2: _attempt(c)}))
    assert [list(group) for group in groups] == [[0, 1], [2]]


def test_a_giant_goes_alone_and_gets_memory(modules: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    a, _b, c = modules
    monkeypatch.setattr(payload, "BATCH", 5)
    assert [list(group) for group in batches({0: _attempt(a), 1: _attempt(c), 2: _attempt(a)})] == [[0], [1], [2]]
    assert Payload(data=b"12345").memory == 0
    assert Payload(data=bytes(6)).memory == 256


@pytest.mark.parametrize("parameters", ["a\0b", "x" * 5000])
def test_parameters_no_system_call_takes(parameters: str) -> None:
    with pytest.raises(UsageError):
        validate(_attempt(Path("a.ko"), parameters=parameters))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent"):
        list(batches({0: _attempt(tmp_path / "absent.ko")}))
