# SPDX-License-Identifier: GPL-2.0-or-later
"""Tools in a kernel's headers that do not run on this machine are noticed without running them."""

import os
import platform
from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.core.errors import MissingToolError
from dlkm.kernel.hosttools import own_tools_trouble, require_own_tools
from dlkm.kernel.kernel import Kernel
from tests.unit.ko.elf_builder import tiny_module


def _kernel(headers: Path, programs: dict[str, bytes], release: str = "6.12.9+deb13-amd64") -> Kernel:
    (headers / "scripts/mod").mkdir(parents=True)
    for name, data in programs.items():
        (headers / "scripts/mod" / name).write_bytes(data)
    return Kernel(id=release, release=release, arch=arch_named("x86_64"), origin="here", headers=headers)


def _here(monkeypatch: pytest.MonkeyPatch, version: str = "glibc 2.36") -> None:
    monkeypatch.setattr(os, "confstr", lambda _name: version)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.mark.parametrize("name", ["modpost", "modpost.real-lsb-64"])
def test_a_newer_c_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _here(monkeypatch)
    newer = b"\x7fELF\0GLIBC_2.4\0GLIBC_2.38\0GLIBC_2.3.4\0"
    kernel = _kernel(tmp_path, {"modpost": b"\0GLIBC_2.34\0", name: newer})
    with pytest.raises(MissingToolError, match=r"need glibc 2\.38 or newer, this machine has 2\.36") as caught:
        require_own_tools(kernel)
    assert caught.value.hint == "the full source makes its own: -k source:6.12.9+deb13-amd64"
    _here(monkeypatch, "glibc 2.38")
    assert own_tools_trouble(kernel) is None
    _here(monkeypatch, "musl")
    assert own_tools_trouble(kernel) is None


def test_tools_for_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _here(monkeypatch)
    kernel = _kernel(tmp_path, {"modpost": tiny_module(machine=183).build()}, "6.6.30-qcom")
    with pytest.raises(MissingToolError, match="are for arm64, this machine is x86_64") as caught:
        require_own_tools(kernel)
    assert "source:PATH" in (caught.value.hint or "")


def test_tools_that_run_here_or_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _here(monkeypatch)
    assert own_tools_trouble(_kernel(tmp_path / "one", {"modpost": tiny_module().build()})) is None
    assert own_tools_trouble(_kernel(tmp_path / "two", {})) is None
