# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line and the kernel's, built from what is to run. Pure: starts nothing, looks at no file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.arch import Machine
from dlkm.prove.accelerator import Accelerator

PIECE_SLOTS = 600  # how many fw_cfg files the machine has room for; payload.MAX_PIECES and QEMU's own fit in
_FW_CFG_DEVICES = ("fw_cfg_io", "fw_cfg_mem")  # one of the two is the architecture's
_QUIET = ("-nodefaults", "-no-user-config", "-no-reboot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """What leads out of the machine: the console's file, and sockets on which the host listens before QEMU starts."""

    console: Path
    channel: Path
    monitor: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a saved guest depends on: it resumes on the same only. `memory` is MiB."""

    machine: Machine
    accelerator: Accelerator
    memory: int
    cmdline: str

    def words(self) -> tuple[str, ...]:
        """The part of QEMU's command line that makes the machine."""
        return tuple(self._words())

    def _words(self) -> Iterator[str]:
        machine = self.machine
        by_accelerator = machine.kvm_args if self.accelerator is Accelerator.KVM else machine.tcg_args
        for option in (*machine.args, *by_accelerator):
            yield from option.split(" ", 1)
        yield from (*_QUIET, "-display", "none", "-smp", str(machine.processors), "-m", str(self.memory))
        for device in _FW_CFG_DEVICES:
            yield from ("-global", f"{device}.x-file-slots={PIECE_SLOTS}")
        yield from ("-append", self.cmdline)


def kernel_cmdline(machine: Machine, accelerator: Accelerator, extra: str) -> str:
    """The kernel's command line, `extra` last so that it wins.

    A panic ends QEMU at once (`panic=-1` with -no-reboot). Under KVM, which may hang, the kernel shows from its
    first moment on that it lives. The log's buffer holds what a large driver for another kernel brings forth.
    """
    words = [f"console={machine.console}", "panic=-1", "log_buf_len=2M"]
    if accelerator is Accelerator.KVM:
        words.append(machine.early_console)
    return " ".join([*words, *extra.split()]) if '"' not in extra else " ".join([*words, extra.strip()])


def drive(image: Path) -> tuple[str, str]:
    """A disk "root" with the bytes of an image, which stays as it is: what is written goes to a file that vanishes."""
    return "-drive", f"if=none,id=root,format=raw,snapshot=on,file={_escaped(image)}"


def qemu_argv(
    hardware: Hardware,
    image: Path,
    initrd: Path,
    wires: Wires,
    pieces: tuple[Path, ...] = (),
    *,
    resume: bool = False,
    more: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """The whole command line; `pieces` are the fw_cfg files opt/dlkm/0, opt/dlkm/1, …, `more` further words."""
    return (
        hardware.machine.program,
        *hardware.words(),
        *("-kernel", str(image), "-initrd", str(initrd)),
        *("-chardev", f"file,id=console,append=on,path={_escaped(wires.console)}"),
        *("-serial", "chardev:console"),
        *_wire("channel", wires.channel),
        *(word for option in hardware.machine.channel_args for word in option.split(" ", 1)),
        *_wire("monitor", wires.monitor),
        *("-mon", "chardev=monitor,mode=control"),
        *(word for number, piece in enumerate(pieces) for word in _piece(number, piece)),
        *(("-incoming", "defer") if resume else ()),
        *more,
    )


def _wire(name: str, path: Path) -> tuple[str, str]:
    return "-chardev", f"socket,id={name},path={_escaped(path)}"


def _piece(number: int, path: Path) -> tuple[str, str]:
    return "-fw_cfg", f"name=opt/dlkm/{number},file={_escaped(path)}"


def _escaped(path: Path) -> str:
    """A path within one of QEMU's comma-separated options."""
    return str(path).replace(",", ",,")
