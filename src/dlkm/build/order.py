# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked for: one driver for one kernel, with all that decides the result. Only values."""

from dataclasses import dataclass
from pathlib import Path

from dlkm.build.options import BuildOptions
from dlkm.kernel.compiler import Compiler
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import Driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What another cell gives: its Module.symvers, under the cell's id."""

    name: str
    symvers: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One build. `given` is what other cells give to it."""

    driver: Driver
    kernel: Kernel
    options: BuildOptions
    compiler: Compiler
    given: tuple[Given, ...] = ()

    @property
    def identity(self) -> str:
        """The cell's id, the same everywhere."""
        return f"{self.driver.name}@{self.kernel.id}"


def symvers_place(name: str) -> str:
    """Where a giver's Module.symvers lies below the job's tools."""
    return f"symvers/{name}/Module.symvers"
