# SPDX-License-Identifier: GPL-2.0-or-later
"""What a directory in which a kernel was built tells, that no installed modules are needed for."""

from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from tests.unit.verdict.trials import module


def _built(root: Path, listed: str) -> Facts:
    (root / "drivers").mkdir()
    (root / "drivers/tiny.ko").write_bytes(module("tiny", info=[("intree", "Y")]))
    (root / "modules.order").write_text(f"{listed}\n")
    (root / "modules.builtin").write_text("kernel/drivers/char/mine.ko\n")
    (root / "modules.builtin.modinfo").write_text("mine.parmtype=x:int\0mine.license=GPL\0")
    return Facts(Kernel(id="k", release="6.1.1", arch=arch_named("x86_64"), origin=str(root), headers=root))


@pytest.mark.parametrize("listed", ["drivers/tiny.ko", "drivers/tiny.o"])
def test_a_module_that_was_built_with_it_tells_of_struct_module(tmp_path: Path, listed: str) -> None:
    facts = _built(tmp_path, listed)
    assert facts.struct_module_size == 896
    assert facts.origins["struct module"] == str(tmp_path / "drivers/tiny.ko")


@pytest.mark.parametrize("listed", ["", "drivers/gone.o", "../drivers/tiny.o", "/etc/passwd"])
def test_what_is_not_there_tells_nothing(tmp_path: Path, listed: str) -> None:
    assert _built(tmp_path, listed).struct_module_size is None


def test_the_lists_of_what_is_built_in(tmp_path: Path) -> None:
    facts = _built(tmp_path, "drivers/tiny.o")
    assert facts.builtin == {"mine"}
    assert facts.builtin_modinfo == {"mine": {"parmtype", "license"}}
