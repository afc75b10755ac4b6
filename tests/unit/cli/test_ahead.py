# SPDX-License-Identifier: GPL-2.0-or-later
"""What is begun before a verb is loaded: the modules below a directory that is named, and nothing outside of it."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from dlkm.cli import ahead
from dlkm.verdict import digests
from tests.unit.rootfs.support import put

ID = "6.1.0-56-amd64"


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """A kernel whose modules are known, two processors, and the directories that are begun with."""
    put(tmp_path / "cache", {f"dlkm/kernels/{ID}/known": b""})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    found: list[Sequence[str]] = []
    monkeypatch.setattr(digests, "begin", found.append)
    return found


@pytest.mark.parametrize(("lib", "real"), [("-> usr/lib", "usr/lib"), (None, "lib")])
def test_the_modules_of_a_root(begun: list[Sequence[str]], tmp_path: Path, lib: str | None, real: str) -> None:
    put(tmp_path / "root", {f"{real}/modules/{ID}/kernel/one.ko": b""} | ({"lib": lib} if lib else {}))
    ahead.look_ahead(["audit", "--json", f"{tmp_path}/root/"])
    assert begun == [[f"{tmp_path}/root/{real}/modules/{ID}"]]


def test_a_link_to_a_root(begun: list[Sequence[str]], tmp_path: Path) -> None:
    put(tmp_path, {f"root/lib/modules/{ID}/kernel/one.ko": b"", "named": "-> root"})
    ahead.look_ahead(["audit", f"{tmp_path}/named"])
    assert begun == [[f"{tmp_path}/named/lib/modules/{ID}"]]


@pytest.mark.parametrize("files", [
    {"lib": "-> ../other/lib"},
    {"lib": "-> /usr/lib"},
    {"lib/modules": "-> ../../other/lib/modules"},
    {f"lib/modules/{ID}": f"-> ../../../other/lib/modules/{ID}"},
    {"lib/modules/6.2/kernel/one.ko": b""},
    {"lib/modules": b"no directory"},
    {"lib/modules": "-> modules"},
    {"etc/fstab": b""},
])  # fmt: skip
def test_nothing_outside_and_nothing_unknown(
    begun: list[Sequence[str]], tmp_path: Path, files: dict[str, bytes | str]
) -> None:
    put(tmp_path / "other", {f"lib/modules/{ID}/kernel/one.ko": b""})
    put(tmp_path / "root", files)
    ahead.look_ahead(["audit", f"{tmp_path}/root"])
    assert begun == []


@pytest.mark.parametrize("words", [[], ["audit"], ["audit", "absent"], ["stage", "."], ["audit", ".", "-j", "1"]])
def test_other_command_lines(begun: list[Sequence[str]], tmp_path: Path, words: list[str],
                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    put(tmp_path / "root", {f"lib/modules/{ID}/kernel/one.ko": b""})
    monkeypatch.chdir(tmp_path / "root")
    ahead.look_ahead(words)
    assert begun == []


def test_directories_to_check(begun: list[Sequence[str]], tmp_path: Path) -> None:
    ahead.look_ahead(["check", f"{tmp_path}/", "-k", ID])
    ahead.look_ahead(["check", f"{tmp_path}/", "-k", "6.2"])
    assert begun == [[str(tmp_path)]]
