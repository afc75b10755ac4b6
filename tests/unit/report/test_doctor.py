# SPDX-License-Identifier: GPL-2.0-or-later
"""How the state of a machine is shown."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.surroundings import Cache, KvmDevice, Presence, Sandbox, Surroundings
from dlkm.core.tools import Tool, package_manager
from dlkm.report.doctor import show, to_document
from dlkm.report.terminal import Colour, Terminal


def _tool(name: str, package: str, *, needed: bool) -> Tool:
    return Tool(name=name, purpose="to work", needed=needed, packages={package_manager(): package})


MAKE = Presence(tool=_tool("make", "make", needed=True), path=Path("/usr/bin/make"), version="4.3")
NO_KMOD = Presence(tool=_tool("depmod", "kmod", needed=True), path=None, version=None)
NO_XZ = Presence(tool=_tool("xz", "xz-utils", needed=False), path=None, version=None)
FINE = Surroundings(
    tools=(MAKE,),
    sandbox=Sandbox(works=True),
    kvm=KvmDevice.ABSENT,
    cache=Cache(path=Path("/c"), writable=True, free=8 << 30),
)


def _shown(found: Surroundings) -> list[str]:
    out = io.StringIO()
    show(found, Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()))
    return out.getvalue().splitlines()


def test_a_machine_that_has_all() -> None:
    assert _shown(FINE) == [
        "PROGRAM  STATE  VERSION  NEEDED",
        "make     there  4.3      to work",
        "",
        "sandbox  bubblewrap works",
        "KVM      no device: guests are emulated, which is slower",
        "cache    /c, 8.0 GiB free",
        "",
        "Nothing is missing.",
    ]


def test_what_is_missing_is_one_command() -> None:
    lines = _shown(replace(FINE, tools=(MAKE, NO_KMOD, NO_XZ)))
    assert lines[2].split() == ["depmod", "missing", "to", "work"]
    assert lines[-2:] == ["To install what is missing, as root:", f"  {package_manager()} install kmod xz-utils"]


@pytest.mark.parametrize(("tools", "ok"), [((MAKE,), True), ((MAKE, NO_XZ), True), ((MAKE, NO_KMOD), False)])
def test_the_document(tools: tuple[Presence, ...], ok: bool) -> None:  # noqa: FBT001
    made = to_document(replace(FINE, tools=tools))
    assert (made["schema"], made["ok"]) == ("dlkm.doctor/1", ok)
    assert made["tools"][0] == {
        "name": "make", "present": True, "path": "/usr/bin/make", "version": "4.3", "needed": True,
        "purpose": "to work", "package": "make",
    }  # fmt: skip
    assert made["kvm"] == "absent"
    assert made["sandbox"] == {"works": True, "reason": ""}
    assert made["cache"] == {"path": "/c", "writable": True, "free": 8 << 30}


def test_a_cache_that_cannot_be_written_is_not_fine() -> None:
    found = replace(FINE, cache=replace(FINE.cache, writable=False))
    assert "cache    /c cannot be written" in _shown(found)
    assert "Nothing is missing." not in _shown(found)
    assert to_document(found)["ok"] is False
