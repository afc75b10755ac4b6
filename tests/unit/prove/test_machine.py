# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line: built without looking at anything, one option after the other."""

from pathlib import Path

import pytest

from dlkm.core.arch import Machine, all_archs
from dlkm.prove.accelerator import Accelerator
from dlkm.prove.machine import Hardware, Wires, kernel_cmdline, qemu_argv

WIRES = Wires(console=Path("/w/console"), channel=Path("/w/channel"), monitor=Path("/w/monitor"))
MACHINES = [arch.machine for arch in all_archs() if arch.machine is not None]


def _hardware(machine: Machine, accelerator: Accelerator = Accelerator.TCG, cmdline: str = "quiet") -> Hardware:
    return Hardware(machine=machine, accelerator=accelerator, memory=512, cmdline=cmdline)


def _argv(machine: Machine, pieces: tuple[Path, ...] = (), *, resume: bool = False) -> tuple[str, ...]:
    return qemu_argv(_hardware(machine), Path("/k"), Path("/i"), WIRES, pieces, resume=resume)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.program)
def test_each_option_has_its_value(machine: Machine) -> None:
    argv = _argv(machine)
    assert argv[0] == machine.program
    bare = {"-nodefaults", "-no-user-config", "-no-reboot"}
    rest = [word for word in argv[1:] if word not in bare]
    assert all(option.startswith("-") for option in rest[0::2]), rest
    assert not any(value.startswith("-") for value in rest[1::2]), rest


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.program)
def test_a_resuming_machine_is_the_same_machine(machine: Machine) -> None:
    assert _argv(machine, resume=True) == (*_argv(machine), "-incoming", "defer")


def test_pieces_are_numbered_and_commas_doubled() -> None:
    argv = _argv(MACHINES[0], (Path("/a,b"), Path("/c")))
    assert [word for word in argv if word.startswith("name=")] == [
        "name=opt/dlkm/0,file=/a,,b",
        "name=opt/dlkm/1,file=/c",
    ]


def test_the_accelerator_chooses_the_processor() -> None:
    tcg, kvm = (_hardware(MACHINES[0], accelerator).words() for accelerator in (Accelerator.TCG, Accelerator.KVM))
    assert "tcg,thread=multi" in tcg
    assert "kvm" in kvm


def test_the_users_words_come_last() -> None:
    line = kernel_cmdline(MACHINES[0], Accelerator.TCG, " module.sig_enforce=1  panic=5 ")
    assert line.endswith(" module.sig_enforce=1 panic=5")
    assert line.index("panic=-1") < line.index("panic=5")


def test_quoted_words_are_left_alone() -> None:
    assert kernel_cmdline(MACHINES[0], Accelerator.TCG, 'a="b  c"').endswith(' a="b  c"')


def test_a_guest_under_kvm_shows_early_that_it_lives() -> None:
    machine = MACHINES[0]
    assert machine.early_console in kernel_cmdline(machine, Accelerator.KVM, "")
    assert machine.early_console not in kernel_cmdline(machine, Accelerator.TCG, "")
