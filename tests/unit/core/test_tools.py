# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of tools, and the errors that name a package."""

import os
from pathlib import Path

import pytest

from dlkm.core import tools
from dlkm.core.arch import all_archs
from dlkm.core.tools import Tool, all_tools, install_command, missing, search_path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no program at all; tests put some there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "SBIN", ())
    return tmp_path


def _program(folder: Path, name: str) -> None:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


def test_on_debian_apt_is_named(programs: Path) -> None:
    _program(programs, "apt-get")
    error = missing("depmod")
    assert error.what == "program 'depmod' is not installed; it is needed: to stage modules in a root filesystem"
    assert error.hint == "apt-get install kmod"
    assert missing("bwrap").hint == "apt-get install bubblewrap"


def test_on_fedora_dnf_is_named(programs: Path) -> None:
    _program(programs, "dnf")
    assert missing("xz").hint == "dnf install xz"


def test_a_program_that_no_table_knows() -> None:
    error = missing("frobnicate")
    assert (error.what, error.hint) == ("program 'frobnicate' is not installed", None)


def test_one_command_installs_all_each_package_once(programs: Path) -> None:
    by_name = {tool.name: tool for tool in all_tools()}
    wanted = [by_name[name] for name in ("depmod", "modinfo", "make")]
    assert install_command(wanted) == "apt-get install kmod make"
    assert install_command([]) is None


def test_tools_are_found_where_they_lie(programs: Path, tmp_path: Path) -> None:
    tool = Tool(name="thing", purpose="to test", needed=True, packages={})
    assert tool.find() is None
    _program(programs, "thing")
    assert tool.find() == programs / "thing"
    (tmp_path / "lib-x").write_text("")
    by_glob = Tool(name="lib", purpose="", needed=True, packages={}, file=(f"{tmp_path}/no*", f"{tmp_path}/lib-*"))
    assert by_glob.find() == tmp_path / "lib-x"


def test_sbin_is_always_looked_at() -> None:
    assert search_path({"PATH": "/usr/bin:/bin"}) == "/usr/bin:/bin:/usr/sbin:/sbin"
    assert search_path({"PATH": "/usr/sbin:/usr/bin"}) == "/usr/sbin:/usr/bin:/sbin"
    assert search_path({}).startswith(os.defpath)


def test_the_table_knows_each_qemu_that_the_architectures_name() -> None:
    table = {tool.name: tool.packages["apt-get"] for tool in all_tools()}
    for arch in all_archs():
        if arch.machine is not None:
            assert table[arch.machine.program] == arch.machine.package


def test_every_tool_says_what_for() -> None:
    for tool in all_tools():
        assert tool.purpose.startswith(("to ", "by ")), tool.name
        assert tool.packages["apt-get"], tool.name
