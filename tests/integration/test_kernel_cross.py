# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels of architectures that this machine is not: added, built for, and judged as their own modules say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.installed import module_files
from dlkm.ko.module import read_module
from tests.conftest import fetched

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
HELLO = Path(__file__).parents[2] / "examples/hello"


def test_armhf(tmp_path: Path) -> None:
    kernel = fetched("debian:latest-6.1-armmp")
    assert (kernel.arch.name, kernel.release.endswith("-armmp")) == ("arm", True)
    command = [str(word) for word in (DLKM, "build", HELLO, "-k", kernel.id, "-o", tmp_path, "--json")]
    done = subprocess.run(command, env=environment(), capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    built = read_module(Path(cell["modules"][0]["path"]))
    assert kernel.modules is not None
    own = read_module(next(iter(module_files(kernel.modules / "kernel"))))
    assert built.vermagic == own.vermagic == kernel.vermagic
    assert "ARMv7" in str(built.vermagic)
    assert (built.elf.header.machine, built.elf.bits) == (own.elf.header.machine, 32)
    assert built.struct_module_size == own.struct_module_size


def test_riscv64(tmp_path: Path) -> None:
    """Debian has it from 13 on, whose tools do not run on an older one: then build says so, and what does."""
    kernel = fetched("debian:latest-6.12-riscv64")
    assert (kernel.arch.name, kernel.release.endswith("-riscv64")) == ("riscv", True)
    assert kernel.modules is not None
    own = next(iter(module_files(kernel.modules / "kernel")))
    assert (read_module(own).vermagic, read_module(own).elf.header.machine) == (kernel.vermagic, 243)
    status, said = _run("check", own, "-k", kernel.id, "--json")
    assert (status, json.loads(said)["results"][0]["outcome"]) == (0, "loads")
    status, said = _run("build", HELLO, "-k", kernel.id, "-o", tmp_path, "--json")
    if status == 0:
        assert read_module(tmp_path / f"hello@{kernel.id}/hello.ko").vermagic == kernel.vermagic
    else:
        assert (status, f"-k source:{kernel.release}" in said) == (4, True), said


def _run(*words: object) -> tuple[int, str]:
    """The exit status, and the document or what was said in its place."""
    done = subprocess.run([DLKM, *map(str, words)], env=environment(), capture_output=True, check=False, timeout=300)
    return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).decode()


def test_a_missing_cross_compiler_is_named_with_its_package(tmp_path: Path) -> None:
    kernel = fetched("debian:latest-6.1-armmp")
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in ("/usr/bin", "/usr/sbin"):
        for program in Path(folder).iterdir():
            if not program.name.startswith("arm-linux") and not (tools / program.name).exists():
                (tools / program.name).symlink_to(program)
    hidden = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--ro-bind", tools, "/usr/sbin"]
    command = [str(word) for word in (*hidden, DLKM, "build", HELLO, "-k", kernel.id, "-o", tmp_path / "out")]
    env = environment() | {"PATH": str(tools)}
    done = subprocess.run(command, env=env, capture_output=True, check=False, timeout=60)
    assert done.returncode == 4, done.stderr
    assert b"apt-get install gcc-arm-linux-gnueabihf" in done.stderr
