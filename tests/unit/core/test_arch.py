# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of architectures: every name leads to one, and one only."""

import pytest

from dlkm.core.arch import all_archs, arch_named, arch_of_elf
from dlkm.kernel.distros import Debian


@pytest.mark.parametrize(
    ("word", "name", "machine"),
    [
        ("amd64", "x86_64", 62),
        ("aarch64", "arm64", 183),
        ("armhf", "arm", 40),
        ("armv7l", "arm", 40),
        ("riscv64", "riscv", 243),
        ("i686", "i386", 3),
        ("ppc64el", "powerpc", 21),
        ("s390x", "s390", 22),
    ],
)
def test_names_and_machines(word: str, name: str, machine: int) -> None:
    """Machines are those of the ELF specification (include/uapi/linux/elf-em.h)."""
    arch = arch_named(word)
    assert (arch.name, arch.elf_machine) == (name, machine)
    assert arch_of_elf(machine, arch.elf_class, big_endian=arch.big_endian) is arch


def test_no_name_means_two() -> None:
    names = [name for arch in all_archs() for name in {arch.name, arch.uname, arch.debian, arch.rpm, arch.oe}]
    assert len(names) == len(set(names))


def test_every_flavour_of_debian_has_its_architecture() -> None:
    for architecture in Debian.read().flavours.values():
        assert arch_named(architecture).debian == architecture
