# SPDX-License-Identifier: GPL-2.0-or-later
"""The initramfs that leads to a root filesystem on a disk: our program, the disk's drivers, the plan (guest/root.c)."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from dlkm.core.cpio import Entry, archive, character_device, directory, plain_file
from dlkm.core.errors import UsageError
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
    table = tomllib.loads(files("dlkm.data").joinpath("disks.toml").read_text("utf-8"))
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


def initramfs(program: bytes, installed: Installed, disk: Disk) -> bytes:
    """The archive."""
    drivers = [plain_bytes(path) for path in load_order(installed, [*disk.drivers, *FILESYSTEM])]
    names = [path.name.partition(".ko")[0] for path in load_order(installed, [*disk.drivers, *FILESYSTEM])]
    return archive(_entries(program, dict(zip(names, map(bytes, drivers), strict=True)), disk))


def _entries(program: bytes, drivers: dict[str, bytes], disk: Disk) -> Iterator[Entry]:
    lines = [*(f"load /{name}.ko" for name in drivers), f"disk {disk.node}", *(f"init {path}" for path in INITS)]
    yield directory("dev")
    yield character_device("dev/console", 5, 1)
    yield plain_file("init", program, 0o755)
    yield plain_file("plan", "".join(f"{line}\n" for line in lines).encode())
    for name, data in drivers.items():
        yield plain_file(f"{name}.ko", data)


def _has(installed: Installed, name: str) -> bool:
    """A kernel without any list of modules is taken to have all built in."""
    nothing_known = not installed.builtin and not Path(installed.modules_dir).is_dir()
    return nothing_known or name in installed.builtin or installed.has(name)
