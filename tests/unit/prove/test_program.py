# SPDX-License-Identifier: GPL-2.0-or-later
"""What can run in a guest, and what is said of what cannot."""

import struct
from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.core.errors import DlkmError, MissingToolError, UsageError
from dlkm.prove.attempt import Program
from dlkm.prove.program import program_at
from tests.unit.build.fakes import FakeRunner

X86, ARM = arch_named("x86_64"), arch_named("arm64")
PT_LOAD, PT_INTERP = 1, 3


def _elf(machine: int = 62, *segments: int) -> bytes:
    """An ELF executable's header and program headers (elf(5)); 62 is EM_X86_64."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
    return ident + head + b"".join(struct.pack("<IIQQQQQQ", kind, 0, 0, 0, 0, 0, 0, 0) for kind in segments)


def _at(path: Path, data: bytes, runner: FakeRunner | None = None) -> Program:
    path.write_bytes(data)
    return program_at(path, ["-v"], 5.0, X86, path.parent, runner or FakeRunner({}))


def test_a_static_executable_goes_as_it_is(tmp_path: Path) -> None:
    data = _elf(62, PT_LOAD)
    assert _at(tmp_path / "smoke", data) == Program(data=data, arguments=("-v",), seconds=5.0)


def test_a_script_brings_busybox(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(_elf(62, PT_LOAD))
    found = _at(tmp_path / "smoke", b"#!/bin/sh -e\ntrue\n", FakeRunner({"busybox": str(busybox)}))
    assert found.shell == busybox.read_bytes()


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (_elf(62, PT_LOAD, PT_INTERP), UsageError, "is linked dynamically"),
        (_elf(183, PT_LOAD), UsageError, "is not for x86_64"),
        (b"\x7fELF", UsageError, "ELF class or byte order is not known"),
        (b"", UsageError, "is no executable, no C source"),
        (b"#!/usr/bin/python3\n", UsageError, "asks for /usr/bin/python3, but a guest has only /bin/sh"),
        (b"#!\n", UsageError, "asks for nothing"),
        (b"#!/bin/sh\n", MissingToolError, "needs busybox in the guest"),
    ],
)
def test_what_cannot_run(tmp_path: Path, data: bytes, kind: type[DlkmError], said: str) -> None:
    with pytest.raises(kind, match=said):
        _at(tmp_path / "smoke", data)


def test_busybox_of_another_architecture_is_none(tmp_path: Path) -> None:
    path, busybox = tmp_path / "smoke", tmp_path / "busybox"
    path.write_text("#!/bin/sh\n")
    busybox.write_bytes(_elf(62, PT_LOAD))
    with pytest.raises(MissingToolError, match="a script needs busybox for arm64"):
        program_at(path, [], 5.0, ARM, tmp_path, FakeRunner({"busybox": str(busybox)}))


def test_a_source_that_does_not_compile(tmp_path: Path) -> None:
    compiler = f"{X86.cross_compile}gcc"
    runner = FakeRunner({compiler: f"/usr/bin/{compiler}"}, {"-static": (1, "smoke.c:3: error: expected ';'")})
    with pytest.raises(UsageError, match=r"does not compile for x86_64:\n  smoke.c:3: error: expected ';'"):
        _at(tmp_path / "smoke.c", b"int x", runner)
    with pytest.raises(MissingToolError, match="no compiler for x86_64"):
        _at(tmp_path / "smoke.c", b"int x;")


def test_arguments_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="more than 64 arguments"):
        program_at(tmp_path / "smoke", ["x"] * 65, 5.0, X86, tmp_path, FakeRunner({}))
    with pytest.raises(UsageError, match="NUL"):
        program_at(tmp_path / "smoke", ["a\0"], 5.0, X86, tmp_path, FakeRunner({}))
