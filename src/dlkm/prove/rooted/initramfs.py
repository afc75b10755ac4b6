# SPDX-License-Identifier: GPL-2.0-or-later
"""The initramfs that leads to a root filesystem on a disk: our program, the disk's drivers, the plan (guest/root.c)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dlkm.core.cpio import Entry, archive, character_device, directory, plain_file
from dlkm.core.data import data_table
from dlkm.core.errors import UsageError
from dlkm.core.names import module_name
from dlkm.kernel.installed import Installed
from dlkm.prove.order import load_order
from dlkm.verdict.reading import plain_bytes

FILESYSTEM = ("ext4",)
INITS = ("/sbin/init", "/etc/init", "/bin/init", "/bin/sh")  # init/main.c: kernel_init


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One way to attach it; the fields are those of data/disks.toml."""

    drivers: tuple[str, ...]
    devices: tuple[str, ...]
    node: str


@cache
def all_disks() -> tuple[Disk, ...]:
    """Every way, the preferred first."""
    table = data_table("disks.toml")
    return tuple(
        Disk(drivers=tuple(entry["drivers"]), devices=tuple(entry["devices"]), node=entry["node"])
        for entry in table.values()
    )


def disk_for(installed: Installed, kernel: str) -> Disk:
    """The first way whose drivers the kernel has; UsageError when it has those of none, nor of the file system."""
    lacking = [name for name in FILESYSTEM if not _has(installed, name)]
    fitting = [disk for disk in all_disks() if all(_has(installed, name) for name in disk.drivers)]
    if fitting and not lacking:
        return fitting[0]
    wanted = lacking or [" and ".join(disk.drivers) for disk in all_disks()]
    raise UsageError(
        f"{kernel} has no driver, built in or as a module, for the guest's disk: {' or '.join(wanted)}",
        hint="modules are enough; they need not be in the root filesystem: -k KERNEL",
    )


def drivers_of(installed: Installed, disk: Disk) -> tuple[Path, ...]:
    """The module files that lead to the disk, in load order; none of what is built in."""
    return load_order(installed, [*disk.drivers, *FILESYSTEM])


def initramfs(program: bytes, drivers: Sequence[Path], disk: Disk) -> bytes:
    """The archive."""
    contents = {f"{module_name(path.name)}.ko": bytes(plain_bytes(path)) for path in drivers}
    return archive(_entries(program, contents, disk))


def _entries(program: bytes, drivers: Mapping[str, bytes], disk: Disk) -> Iterator[Entry]:
    lines = [*(f"load /{name}" for name in drivers), f"disk {disk.node}", *(f"init {path}" for path in INITS)]
    yield directory("dev")
    yield character_device("dev/console", 5, 1)
    yield plain_file("init", program, 0o755)
    yield plain_file("plan", "".join(f"{line}\n" for line in lines).encode())
    for name, data in drivers.items():
        yield plain_file(name, data)


def _has(installed: Installed, name: str) -> bool:
    """A kernel without any list of modules is taken to have all built in."""
    nothing_known = not installed.builtin and not Path(installed.modules_dir).is_dir()
    return nothing_known or name in installed.builtin or installed.has(name)
