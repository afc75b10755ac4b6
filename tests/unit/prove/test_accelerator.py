# SPDX-License-Identifier: GPL-2.0-or-later
"""Which accelerators are tried, by what the host has and what was found out before."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.core.errors import ExitStatus, MissingToolError
from dlkm.prove.accelerator import Accelerator, Accelerators

KVM, TCG = Accelerator.KVM, Accelerator.TCG


@pytest.fixture
def choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Accelerators:
    """An x86-64 host whose /dev/kvm may be opened."""
    machine = arch_named("x86_64").machine
    assert machine is not None
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for name in ("kvm", "boot_id"):
        (tmp_path / name).write_text("one\n")
    memory = tmp_path / "cache" / "kvm.json"
    return Accelerators(machine=machine, memory=memory, device=tmp_path / "kvm", boot_id=tmp_path / "boot_id")


def test_nothing_known_kvm_is_tried_first(choice: Accelerators) -> None:
    assert choice.candidates(None) == (KVM, TCG)
    assert choice.candidates(TCG) == (TCG,)
    assert choice.candidates(KVM) == (KVM,)


def test_a_failure_is_remembered_until_the_host_boots_again(choice: Accelerators) -> None:
    choice.remember(works=False)
    assert choice.candidates(None) == (TCG,)
    assert choice.candidates(KVM) == (KVM,)  # who asks for it gets it
    choice.boot_id.write_text("two\n")
    assert choice.candidates(None) == (KVM, TCG)


def test_a_success_is_remembered(choice: Accelerators) -> None:
    choice.remember(works=True)
    assert choice.known() is True
    assert choice.candidates(None) == (KVM, TCG)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"qemu-system-x86_64@one": "yes"}'])
def test_a_damaged_memory_is_none(choice: Accelerators, text: str) -> None:
    choice.memory.parent.mkdir()
    choice.memory.write_text(text)
    assert choice.known() is None


def test_no_device(choice: Accelerators) -> None:
    choice.device.unlink()
    assert choice.candidates(None) == (TCG,)
    with pytest.raises(MissingToolError) as caught:
        choice.candidates(KVM)
    assert caught.value.status is ExitStatus.MISSING_TOOL


def test_another_architecture_is_no_matter_for_kvm(choice: Accelerators) -> None:
    machine = arch_named("arm64").machine
    assert machine is not None
    assert replace(choice, machine=machine).candidates(None) == (TCG,)
