# SPDX-License-Identifier: GPL-2.0-or-later
"""What is made of what programs say of themselves, and of what is not there."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from dlkm.core import surroundings
from dlkm.core.errors import MissingToolError
from dlkm.core.processes import Completed
from dlkm.core.surroundings import KvmDevice, cache_at, kvm_device, presence_of, survey, try_sandbox, version_in
from dlkm.core.tools import Tool


class Saying:
    """A machine on which every program says the same."""

    def __init__(self, output: bytes = b"", errors: bytes = b"", *, status: int = 0, timed_out: bool = False) -> None:
        self.answer = Completed(argv=("x",), status=status, output=output, errors=errors, timed_out=timed_out)

    def find(self, program: str) -> Path | None:
        return Path("/usr/bin") / program

    def run(self, argv: Sequence[str | Path], **_options: object) -> Completed:
        if "broken" in str(argv[0]):
            raise MissingToolError("cannot be run")
        return self.answer


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("GNU Make 4.3\nBuilt for x86_64-pc-linux-gnu", "4.3"),
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", "12.2.0"),
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "7.2.22"),
        ("kmod version 30\n+ZSTD +XZ", "30"),
        ("*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***", "1.5.4"),
        ("OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19)", "3.0.19"),
        ("Debian 'dpkg-deb' package archive backend version 1.21.22 (amd64).", "1.21.22"),
        ("GNU ld (GNU Binutils for Debian 2.40)", "2.40"),
        ("usage: thing", None),
        ("", None),
    ],
)
def test_versions_as_programs_say_them(said: str, version: str | None) -> None:
    assert version_in(said) == version


def _tool(folder: Path, name: str, *, there: bool = True, needed: bool = True) -> Tool:
    if there:
        (folder / name).write_text("")
    return Tool(name=name, purpose="", needed=needed, packages={}, file=(str(folder / name),), version=("--version",))


def test_a_program_that_cannot_be_run_is_not_there(tmp_path: Path) -> None:
    assert presence_of(_tool(tmp_path, "broken"), Saying()).path is None
    fine = presence_of(_tool(tmp_path, "fine"), Saying(errors=b"fine 1.2"))
    assert (fine.path, fine.version) == (tmp_path / "fine", "1.2")
    assert presence_of(_tool(tmp_path, "gone", there=False), Saying()).version is None


@pytest.mark.parametrize(
    ("runner", "works", "reason"),
    [
        (Saying(), True, ""),
        (Saying(errors=b"x\nbwrap: No permissions\n", status=1), False, "bwrap: No permissions"),
        (Saying(status=1), False, "it says nothing"),
        (Saying(status=-9, timed_out=True), False, "it hangs"),
    ],
)
def test_the_sandbox_is_tried(runner: Saying, works: bool, reason: str) -> None:  # noqa: FBT001
    sandbox = try_sandbox(runner)
    assert (sandbox.works, sandbox.reason) == (works, reason)


def test_what_is_needed_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "cache_home", lambda: tmp_path / "cache")
    optional = _tool(tmp_path, "optional", there=False, needed=False)
    found = survey(Saying(), 2, [_tool(tmp_path, "there"), optional])
    assert (found.sufficient, found.missing) == (True, (optional,))
    needed = _tool(tmp_path, "needed", there=False)
    found = survey(Saying(), 2, [optional, needed])
    assert (found.sufficient, found.missing) == (False, (optional, needed))


def test_kvm_by_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kvm_device(tmp_path / "kvm") is KvmDevice.ABSENT
    (tmp_path / "kvm").write_text("")
    assert kvm_device(tmp_path / "kvm") is KvmDevice.USABLE
    monkeypatch.setattr(os, "access", lambda *_args: False)
    assert kvm_device(tmp_path / "kvm") is KvmDevice.FORBIDDEN


def test_the_cache_need_not_be_there(tmp_path: Path) -> None:
    cache = cache_at(tmp_path / "not" / "yet")
    assert cache.writable
    assert cache.free is not None
    assert cache.free > 0
    assert not (tmp_path / "not").exists()
    (tmp_path / "file").write_text("")
    assert not cache_at(tmp_path / "file" / "below").writable
