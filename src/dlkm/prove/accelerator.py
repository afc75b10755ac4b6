# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of QEMU's accelerators to try, and the memory of whether KVM works here. Starts no guest."""

import json
import os
import platform
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dlkm.core.arch import Machine
from dlkm.core.errors import DlkmError, MissingToolError
from dlkm.core.files import write_atomically

KVM_DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Accelerator(StrEnum):
    """How QEMU runs the guest's instructions."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerators:
    """The choice for one machine. `memory` is the file that keeps what was found out, until this host boots again."""

    machine: Machine
    memory: Path
    device: Path = KVM_DEVICE
    boot_id: Path = BOOT_ID

    def candidates(self, asked: Accelerator | None) -> tuple[Accelerator, ...]:
        """What to try, in this order; MissingToolError when KVM is asked for and cannot be had."""
        if asked is Accelerator.TCG:
            return (Accelerator.TCG,)
        obstacle = self._obstacle()
        if asked is Accelerator.KVM:
            if obstacle is not None:
                raise MissingToolError(f"KVM cannot be used: {obstacle}", hint="--accel tcg works everywhere, slower")
            return (Accelerator.KVM,)
        if obstacle is not None or self.known() is False:
            return (Accelerator.TCG,)
        return (Accelerator.KVM, Accelerator.TCG)

    def _obstacle(self) -> str | None:
        if platform.machine() != self.machine.kvm_host:
            return f"it runs {self.machine.kvm_host} guests on {self.machine.kvm_host} machines only"
        if not self.device.exists():
            return f"there is no {self.device}"
        if not os.access(self.device, os.R_OK | os.W_OK):
            return f"{self.device} may not be opened by this user"
        return None

    def known(self) -> bool | None:
        """Whether KVM ran a guest since this host booted; None when nobody tried."""
        try:
            found = json.loads(self.memory.read_text("utf-8")).get(self._key())
        except (OSError, ValueError, AttributeError):
            return None
        return found if isinstance(found, bool) else None

    def remember(self, *, works: bool) -> None:
        """Keep it for the next proof; an unwritable cache is no reason to stop."""
        if self.known() is works:
            return
        try:
            write_atomically(self.memory, json.dumps({self._key(): works}))
        except DlkmError:
            return

    def _key(self) -> str:
        try:
            boot = self.boot_id.read_text("ascii").strip()
        except (OSError, ValueError):
            boot = "unknown"
        return f"{self.machine.program}@{boot}"
