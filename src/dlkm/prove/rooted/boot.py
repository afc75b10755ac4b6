# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with a root filesystem on its disk: brought up, restarted, ended. Asks it nothing but to restart."""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.events import Events
from dlkm.core.files import held_dir
from dlkm.core.names import module_name
from dlkm.core.processes import Spawner
from dlkm.core.tools import missing
from dlkm.kernel.installed import Installed
from dlkm.prove.accelerator import Accelerator, Accelerators
from dlkm.prove.attempt import Boot, ProveOptions
from dlkm.prove.guest_image import guest_program
from dlkm.prove.image import bootable
from dlkm.prove.launch import KVM_SILENCE, machine_of, short_folder
from dlkm.prove.machine import Hardware, drive, kernel_cmdline, qemu_argv
from dlkm.prove.monitor import QemuError
from dlkm.prove.protocol import READY
from dlkm.prove.qemu import Qemu, running
from dlkm.prove.rooted.disk import disk_image
from dlkm.prove.rooted.expect import Foresight
from dlkm.prove.rooted.initramfs import disk_for, drivers_of, initramfs
from dlkm.prove.rooted.observer import GuestLostError, Observer

MEMORY = 1024  # MiB
# Other disks that its fstab names are not there: a boot that waits for them would not end (systemd-fstab-generator).
# systemd-modules-load runs beside the start of journald, which loses words from before: they go to the kernel's log.
# Where nobody answers, nothing may ask (systemd-firstboot).
ROOT_WORDS = "root=/dev/{node} rw fstab=no systemd.firstboot=no systemd.setenv=SYSTEMD_LOG_TARGET=kmsg"
SHUTDOWN_TIME = 120.0  # seconds


@dataclass(slots=True, kw_only=True)
class Machine:
    """A running machine, and what was noted on the way up. `boots` are those that are over."""

    qemu: Qemu
    kernel: str
    accelerator: Accelerator
    patience: float
    notes: list[str] = field(default_factory=list)
    boots: list[Boot] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def await_kernel(self, patience: float, silence: float | None = None) -> None:
        """Wait until our program runs; GuestLostError when it does not, or with `silence` nothing is heard so long."""
        deadline = time.monotonic() + patience
        while not (self.qemu.line(deadline - time.monotonic(), silence) or b"").endswith(READY.encode()):
            if self.qemu.ended:
                raise GuestLostError("the machine went off before the guest was ready")
            if silence is not None or time.monotonic() >= deadline:
                raise GuestLostError(f"the guest was not ready within {silence or patience:.0f} s")

    def enter(self) -> Observer:
        """Let it go on to the root's own init; GuestLostError when that does not start.

        From here on a restart that was not asked for, of a panic say, is the machine's end.
        """
        self.qemu.monitor.command("set-action", reboot="shutdown")
        nonce = secrets.token_hex(8)
        self.qemu.send(f"go {nonce}\n".encode())
        observer = Observer(self.qemu, nonce)
        self.notes += observer.root_starts(self.patience)
        return observer

    def again(self, observer: Observer) -> Observer:
        """Restart it as its user would, and enter again."""
        self.qemu.monitor.command("set-action", reboot="reset")
        observer.reboot()
        self.end_boot()
        self.await_kernel(self.patience + SHUTDOWN_TIME)
        return self.enter()

    def end_boot(self) -> None:
        """Note how long this boot took."""
        now = time.monotonic()
        seconds = round(now - self.started, 3)
        boot = Boot(kernel=self.kernel, accelerator=self.accelerator, seconds=seconds, resumed=False)
        self.boots.append(boot)
        self.started = now


class Starter:
    """All that the machines of one kernel and one root filesystem have in common."""

    def __init__(
        self,
        foresight: Foresight,
        root: Path,
        options: ProveOptions,
        devices: Sequence[str],
        spawner: Spawner,
        events: Events,
    ) -> None:
        """`root` is the directory or image, `devices` are QEMU's, beside the disk.

        UsageError when the kernel has no image or cannot read the disk; MissingToolError when QEMU or a compiler is
        missing.
        """
        kernel = foresight.kernel
        self._machine = machine_of(kernel)
        program = spawner.find(self._machine.program)
        if program is None:
            raise missing(self._machine.program)
        installed = Installed(foresight.drivers or kernel.modules or Path("/nowhere"))
        self._disk = disk_for(installed, kernel.id)
        drivers = drivers_of(installed, self._disk)
        self.lent = frozenset(module_name(path.name) for path in drivers)  # loaded before the root's own may load any
        self._initramfs = initramfs(guest_program(kernel.arch, options.cache, spawner), drivers, self._disk)
        self._accelerators = Accelerators(machine=self._machine, memory=options.cache / "kvm.json")
        self._kernel, self._root, self._options, self._devices = kernel, root, options, tuple(devices)
        self._spawner, self._events = spawner, events

    @contextmanager
    def machine(self) -> Iterator[Machine]:
        """One whose kernel has come up. GuestLostError when it does not; QemuError when QEMU itself does not start."""
        cache = self._options.cache
        with ExitStack() as stack, held_dir(short_folder(cache), "dlkm-prove-") as folder:
            initrd = folder / "initrd"
            initrd.write_bytes(self._initramfs)
            assert self._kernel.image is not None
            image = bootable(self._kernel.image, folder)
            disk = disk_image(self._root, folder, self._spawner, self._events)
            *first, last = self._accelerators.candidates(self._options.accelerator)
            for accelerator in first:
                found = self._probe(accelerator, folder, image, disk, stack)
                if found is not None:
                    yield found
                    return
            yield self._start(last, folder, image, disk, stack)

    def _probe(
        self, accelerator: Accelerator, folder: Path, image: Path, disk: Path, stack: ExitStack
    ) -> Machine | None:
        """With an accelerator that may not work here; None when it does not."""
        attempt = stack.enter_context(ExitStack())
        try:
            machine = self._start(accelerator, folder, image, disk, attempt, KVM_SILENCE)
        except (QemuError, GuestLostError) as error:
            attempt.close()
            self._events.detail(f"{accelerator} does not run the guest ({error.what})")
            self._accelerators.remember(works=False)
            return None
        self._accelerators.remember(works=True)
        return machine

    def _start(
        self,
        accelerator: Accelerator,
        folder: Path,
        image: Path,
        disk: Path,
        stack: ExitStack,
        silence: float | None = None,
    ) -> Machine:
        words = f"{ROOT_WORDS.format(node=self._disk.node)} {self._options.cmdline}"
        hardware = Hardware(
            machine=self._machine,
            accelerator=accelerator,
            memory=max(self._machine.memory, MEMORY),
            cmdline=kernel_cmdline(self._machine, accelerator, words),
        )
        options = (*self._disk.devices, *(f"-device {device}" for device in self._devices))
        more = (*drive(disk), *(word for option in options for word in option.split(" ", 1)))
        with self._events.task(f"booting {self._kernel.id} ({accelerator})"):
            initrd = folder / "initrd"
            qemu = stack.enter_context(
                running(lambda wires: qemu_argv(hardware, image, initrd, wires, more=more), folder, self._spawner)
            )
            machine = Machine(
                qemu=qemu, kernel=self._kernel.id, accelerator=accelerator, patience=self._options.boot_timeout
            )
            try:
                machine.await_kernel(self._options.boot_timeout, silence)
            except GuestLostError as error:
                raise GuestLostError(error.what, qemu.console.content()) from error
        return machine
