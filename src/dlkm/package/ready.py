# SPDX-License-Identifier: GPL-2.0-or-later
"""A package as it will be written. Only values."""

from dataclasses import dataclass
from enum import StrEnum

from dlkm.package.package import Package


class Role(StrEnum):
    """What a package is there for."""

    MODULES = "modules"  # holds modules for one kernel
    CONFIGURATION = "configuration"  # what the packages of all kernels share
    META = "meta"  # holds nothing itself, and follows the newest kernel
    OTHER = "other"  # whatever else a recipe makes


@dataclass(frozen=True, kw_only=True)
class Ready:
    """One package in the words of its system. `release` is the kernel it is for, or the newest, which it follows."""

    package: Package
    role: Role
    release: str
    source: str
