# SPDX-License-Identifier: GPL-2.0-or-later
"""Architectures as data/arch.toml states them; a new one is a table there and no code here."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from dlkm.core.data import data_table
from dlkm.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How QEMU runs the architecture.

    `args` hold always, `tcg_args` and `kvm_args` by accelerator, each "-option value" in one string. The kernel's log
    goes to `console` (`early_console` shows it from the first moment on), the guest's answers come over `channel`,
    which `channel_args` connect to the character device "channel". `kvm_host` is the `uname -m` that KVM needs.
    `memory` is MiB. `image_formats` are the names that images have in a build directory.
    """

    program: str
    package: str
    args: tuple[str, ...]
    tcg_args: tuple[str, ...]
    kvm_args: tuple[str, ...]
    kvm_host: str
    memory: int
    processors: int
    console: str
    early_console: str
    channel: str
    channel_args: tuple[str, ...]
    image_formats: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """One architecture; `name` is the kernel's ARCH= word ("x86_64", "arm64") and the one users see."""

    name: str
    srcarch: str
    uname: str
    debian: str
    rpm: str
    oe: str
    elf_machine: int
    elf_class: int
    big_endian: bool
    triplet: str
    compiler_package: str
    libc_package: str
    machine: Machine | None
    vermagic: str | None = None

    @property
    def is_host(self) -> bool:
        """Whether this machine runs it natively."""
        import platform

        return platform.machine() == self.uname

    @property
    def cross_compile(self) -> str:
        """The CROSS_COMPILE prefix; empty on the architecture's own machines."""
        return "" if self.is_host else f"{self.triplet}-"


def _arch(name: str, table: dict[str, Any]) -> Arch:
    machine = table.pop("machine", None)
    if machine is not None:
        for key in ("args", "tcg_args", "kvm_args", "channel_args", "image_formats"):
            machine[key] = tuple(machine[key])
    return Arch(name=name, machine=Machine(**machine) if machine is not None else None, **table)


@cache
def all_archs() -> tuple[Arch, ...]:
    """Every architecture, in the table's order."""
    table = data_table("arch.toml")
    return tuple(_arch(name, entry) for name, entry in table.items())


def arch_named(word: str) -> Arch:
    """By any name in use (ARCH=, uname -m, Debian's, OpenEmbedded's, RPM's); UsageError when nobody calls it so."""
    for arch in all_archs():
        if word in {arch.name, arch.uname, arch.debian, arch.rpm, arch.oe}:
            return arch
    known = ", ".join(arch.name for arch in all_archs())
    raise UsageError(f"architecture {word!r} is not known", hint=f"known are: {known}")


def host_arch() -> Arch:
    """This machine's own."""
    import platform

    return arch_named(platform.machine())


def arch_of_elf(machine: int, elf_class: int, *, big_endian: bool) -> Arch | None:
    """The architecture of an ELF header (e_machine; class 32 or 64), or None when the table has none."""
    for arch in all_archs():
        if (arch.elf_machine, arch.elf_class, arch.big_endian) == (machine, elf_class, big_endian):
            return arch
    return None
