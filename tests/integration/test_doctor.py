# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm doctor on this machine, and on one that lacks a program."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlkm.core.processes import environment

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")


def _doctor(*words: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    argv = [*prefix, str(DLKM), "doctor", *words]
    return subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False, timeout=120)


def test_this_machine_has_what_the_tests_need() -> None:
    done = _doctor("--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert (document["schema"], document["ok"]) == ("dlkm.doctor/1", True)
    tools = {tool["name"]: tool for tool in document["tools"]}
    assert tools["depmod"]["version"] in subprocess.check_output(
        ["/usr/bin/env", tools["depmod"]["path"], "-V"], text=True
    )
    assert document["sandbox"] == {"works": True, "reason": ""}
    assert _doctor().stdout.startswith("PROGRAM ")


@pytest.mark.parametrize(("program", "status", "package"), [("depmod", 4, "kmod"), ("zstd", 0, "zstd")])
def test_what_is_missing_is_said_with_the_command(program: str, status: int, package: str) -> None:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert found is not None
    hidden = ("bwrap", "--bind", "/", "/", "--dev", "/dev", "--bind", "/dev/null", str(Path(found).resolve()))
    done = _doctor("--json", prefix=hidden)
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (status, status == 0)
    lacking = [tool["name"] for tool in document["tools"] if not tool["present"]]
    assert program in lacking
    assert package in document["install"].split()
    assert f"  {document['install']}" in _doctor(prefix=hidden).stdout.splitlines()
