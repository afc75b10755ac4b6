# SPDX-License-Identifier: GPL-2.0-or-later
"""Brings up a guest that waits for its payload: a kept one resumed, else one booted and kept. Asks it nothing."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from dlkm.core.arch import Machine
from dlkm.core.errors import UsageError
from dlkm.core.events import Events
from dlkm.core.files import held_dir, sha256_file
from dlkm.core.processes import Spawner
from dlkm.core.tools import missing
from dlkm.kernel.kernel import Kernel
from dlkm.prove.accelerator import BOOT_ID, Accelerator, Accelerators
from dlkm.prove.attempt import ProveOptions
from dlkm.prove.guest_image import guest_image
from dlkm.prove.image import bootable
from dlkm.prove.kept import KeptGuests, Saving, key_of
from dlkm.prove.machine import Hardware, kernel_cmdline, qemu_argv
from dlkm.prove.monitor import QemuError
from dlkm.prove.payload import Payload
from dlkm.prove.protocol import READY
from dlkm.prove.qemu import Qemu, running

KVM_SILENCE = 3.0  # seconds; a guest that KVM runs at all shows its first lines long before
MOST_BY_FW_CFG = 8 << 20  # bytes; the kernel's driver reads a byte at a time
SOCKET_PATH = 90  # bytes that a directory's name may have; a socket's has 108 in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A guest that waits. `key` is that of the kept guest it was resumed from."""

    qemu: Qemu
    accelerator: Accelerator
    started: float
    key: str | None

    @property
    def resumed(self) -> bool:
        """Whether it comes from a kept guest."""
        return self.key is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stillborn:
    """A guest that did not come up."""

    trouble: str
    console: bytes
    accelerator: Accelerator
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One way to a ready guest. `key`: resume `state` of that key, or without a state keep what was booted under it."""

    hardware: Hardware
    key: str | None = None
    state: BufferedReader | None = None
    probing: bool = False


class Launcher:
    """All that the boots of one kernel have in common."""

    def __init__(self, kernel: Kernel, options: ProveOptions, spawner: Spawner, events: Events) -> None:
        self.machine = machine_of(kernel)
        program = spawner.find(self.machine.program)
        if program is None:
            raise missing(self.machine.program)
        assert kernel.image is not None
        self._kernel = kernel
        self._image = kernel.image
        self._options = options
        self._spawner = spawner
        self._events = events
        self._program = program
        self._guest = guest_image(kernel, options.cache, spawner)
        self._accelerators = Accelerators(machine=self.machine, memory=options.cache / "kvm.json")
        self._kept = KeptGuests(folder=options.cache / "guests")
        self._driver_works = self._guest.driver is not None
        self._asked = options.accelerator
        self._savings: list[Saving] = []

    def driver_fails(self) -> bool:
        """The guest got no payload: from now on it comes in the initramfs. Whether that is a change."""
        changes, self._driver_works = self._driver_works, False
        return changes

    def drop(self, key: str) -> None:
        """A kept guest that resumes but does not answer."""
        self._kept.drop(key)

    @contextmanager
    def guest(self, payload: Payload) -> Iterator[Ready | Stillborn]:
        """A guest with this payload at hand; the best way that works. QemuError when QEMU itself does not start."""
        by_fw_cfg = self._driver_works and len(payload.data) <= MOST_BY_FW_CFG and not self._options.fresh
        with ExitStack() as stack, held_dir(short_folder(self._options.cache), "dlkm-prove-") as folder:
            ways = stack.enter_context(self._ways(payload, resumable=by_fw_cfg))
            last: Ready | Stillborn | None = None
            for way in ways:
                attempt = stack.enter_context(ExitStack())
                last = self._try(way, payload, folder, attempt, by_fw_cfg=by_fw_cfg)
                if isinstance(last, Ready):
                    break
                attempt.close()
            assert last is not None
            yield last

    @contextmanager
    def _ways(self, payload: Payload, *, resumable: bool) -> Iterator[Iterator[_Way]]:
        with ExitStack() as stack:
            yield self._each_way(payload, stack, resumable=resumable)

    def _each_way(self, payload: Payload, stack: ExitStack, *, resumable: bool) -> Iterator[_Way]:
        for accelerator in self._accelerators.candidates(self._asked):
            if accelerator is Accelerator.TCG:
                self._asked = accelerator  # once KVM was left, it is not tried again
            hardware = Hardware(
                machine=self.machine,
                accelerator=accelerator,
                memory=self.machine.memory + payload.memory,
                cmdline=kernel_cmdline(self.machine, accelerator, self._options.cmdline),
            )
            key = self._key(hardware) if resumable else None
            if key is not None and (state := stack.enter_context(self._kept.opened(key))) is not None:
                yield _Way(hardware=hardware, key=key, state=state)
            probing = accelerator is Accelerator.KVM and self._asked is None
            yield _Way(hardware=hardware, key=key, probing=probing)

    def _key(self, hardware: Hardware) -> str:
        with suppress(OSError):
            host = BOOT_ID.read_text("ascii") if hardware.accelerator is Accelerator.KVM else ""
            return key_of(hardware, sha256_file(self._image), self._guest.initramfs(), self._program, host)
        raise UsageError(f"cannot read {self._image}")

    def _try(
        self, way: _Way, payload: Payload, folder: Path, stack: ExitStack, *, by_fw_cfg: bool
    ) -> Ready | Stillborn:
        """One way; None-like Stillborn when it leads nowhere and another may."""
        started = time.monotonic()
        initrd = folder / "initrd"
        initrd.write_bytes(self._guest.initramfs(None if by_fw_cfg else payload.data))
        pieces = tuple(_written(payload, folder)) if by_fw_cfg else ()
        image = bootable(self._image, folder)
        resume = way.state is not None
        accelerator = way.hardware.accelerator
        verb = "resuming" if resume else "booting"
        try:
            with self._events.task(f"{verb} {self._kernel.id} ({accelerator})"):
                qemu = stack.enter_context(
                    running(
                        lambda wires: qemu_argv(way.hardware, image, initrd, wires, pieces, resume=resume),
                        folder,
                        self._spawner,
                    )
                )
                trouble = self._bring_up(qemu, way)
        except QemuError as error:
            if not resume and not way.probing:
                raise
            qemu, trouble = None, error.what
        if trouble is None and qemu is not None:
            return Ready(qemu=qemu, accelerator=accelerator, started=started, key=way.key if resume else None)
        self._give_up(way, trouble or "")
        console = qemu.console.content() if qemu is not None else b""
        return Stillborn(trouble=trouble or "", console=console, accelerator=accelerator, started=started)

    def _give_up(self, way: _Way, trouble: str) -> None:
        if way.state is not None and way.key is not None:
            self._events.detail(f"the kept guest does not resume ({trouble}); booting")
            self._kept.drop(way.key)
        elif way.probing:
            self._events.detail(f"KVM does not run the guest ({trouble}); using TCG")
            self._accelerators.remember(works=False)

    def _bring_up(self, qemu: Qemu, way: _Way) -> str | None:
        """Wait until it is ready; why it is not."""
        if way.state is not None:
            qemu.monitor.resume(way.state.fileno())
            return None
        silence = KVM_SILENCE if way.probing else None
        deadline = time.monotonic() + self._options.boot_timeout
        while not (qemu.line(deadline - time.monotonic(), silence) or b"").endswith(READY.encode()):
            if qemu.ended:
                return "the machine went off before the guest was ready"
            if silence is not None or time.monotonic() >= deadline:
                return f"the guest was not ready within {silence or self._options.boot_timeout:.0f} s"
        if way.hardware.accelerator is Accelerator.KVM:
            self._accelerators.remember(works=True)
        if way.key is not None:
            self._keep(qemu, way.key)
        return None

    def _keep(self, qemu: Qemu, key: str) -> None:
        path = self._kept.start_saving()
        if path is None:
            return
        try:
            with path.open("wb") as stream:
                qemu.monitor.save(stream.fileno())
        except (QemuError, OSError) as error:
            self._events.detail(f"the booted guest cannot be kept: {error}")
            path.unlink(missing_ok=True)
        else:
            self._savings.append(Saving(self._kept, key, path))

    def settle(self) -> None:
        """Wait until what is to be kept is kept."""
        for saving in self._savings:
            saving.join()


def machine_of(kernel: Kernel) -> Machine:
    """The machine that runs its kernel; UsageError when there is none, or no image to boot."""
    if kernel.arch.machine is None:
        raise UsageError(f"{kernel.id}: no machine to boot {kernel.arch.name} kernels is known")
    if kernel.image is None:
        raise UsageError(
            f"{kernel.id} has no image to boot", hint=f"add it with one: dlkm kernel add debian:{kernel.release}"
        )
    return kernel.arch.machine


def _written(payload: Payload, folder: Path) -> Iterator[Path]:
    for number, piece in enumerate(payload.pieces()):
        path = folder / f"piece-{number}"
        path.write_bytes(piece)
        yield path


def short_folder(cache: Path) -> Path:
    """Where sockets can lie: their names must be short. held_dir makes it private."""
    wanted = (cache / "prove", Path(tempfile.gettempdir()))
    short = (folder for folder in wanted if len(bytes(folder)) <= SOCKET_PATH - len("/dlkm-prove-xxxxxxxx"))
    return next(short, Path("/tmp"))  # noqa: S108 — every machine has it
