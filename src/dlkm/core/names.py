# SPDX-License-Identifier: GPL-2.0-or-later
"""The field's words as types: module names, releases, vermagic, CRCs. Parses and prints; looks nothing up."""

import re
from dataclasses import dataclass
from typing import Self

from dlkm.core.suffixes import MODULE_SUFFIXES

_RELEASE = re.compile(r"[0-9]+\.[0-9]+[A-Za-z0-9.+~_-]*")


def module_name(file_name: str) -> str:
    """The name the kernel gives to the module in `file_name`: no directory, no suffix, '-' as '_'.

    Source: scripts/Makefile.lib (`name-fix`), kmod (`path_to_modname`).
    """
    stem = file_name.rstrip("/").rpartition("/")[2]
    for suffix in MODULE_SUFFIXES:
        if stem.endswith(suffix):
            stem = stem.removesuffix(suffix)
            break
    return normalise_module_name(stem)


def normalise_module_name(name: str) -> str:
    """One spelling for a module's name: '-' and '_' are the same to the kernel and to kmod."""
    return name.replace("-", "_")


def is_module_file(file_name: str) -> bool:
    """Whether the name is that of a module, compressed or not."""
    return file_name.endswith(MODULE_SUFFIXES)


def is_release(text: str) -> bool:
    """Whether the text can be a kernel release (`uname -r`); holds no '/' and is safe as a directory's name."""
    return _RELEASE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelVersion:
    """The two numbers that choose an era; orders as kernels do."""

    major: int
    minor: int

    @classmethod
    def parse(cls, release: str) -> Self:
        """From a release ("6.12.117+deb12-amd64") or "6.12"; ValueError when it starts with no two numbers."""
        match = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", release)
        if match is None:
            raise ValueError(release)
        return cls(major=int(match[1]), minor=int(match[2]))

    def __lt__(self, other: "KernelVersion") -> bool:
        return (self.major, self.minor) < (other.major, other.minor)

    def __le__(self, other: "KernelVersion") -> bool:
        return not other < self

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vermagic:
    """A vermagic string taken apart; `raw` is what the kernel compares, its trailing blank included.

    Source: include/linux/vermagic.h (VERMAGIC_STRING).
    """

    raw: str
    release: str
    smp: bool
    preempt: str | None
    mod_unload: bool
    modversions: bool
    rest: tuple[str, ...]

    @classmethod
    def parse(cls, raw: str) -> Self:
        """Any string parses: words that are not known are kept in `rest`, in their order."""
        words = raw.split(" ")
        release, flags = words[0], [word for word in words[1:] if word]
        known = {"SMP", "preempt", "preempt_rt", "mod_unload", "modversions"}
        return cls(
            raw=raw,
            release=release,
            smp="SMP" in flags,
            preempt=next((word for word in flags if word in {"preempt", "preempt_rt"}), None),
            mod_unload="mod_unload" in flags,
            modversions="modversions" in flags,
            rest=tuple(word for word in flags if word not in known),
        )

    @property
    def without_release(self) -> str:
        """What is compared when both sides carry symbol versions (kernel/module/version.c: same_magic)."""
        return self.raw[self.raw.index(" ") :] if " " in self.raw else ""


def format_crc(crc: int) -> str:
    """As Module.symvers and modprobe write it: 0x1234abcd."""
    return f"{crc & 0xFFFFFFFF:#010x}"
