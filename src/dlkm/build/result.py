# SPDX-License-Identifier: GPL-2.0-or-later
"""What a build leaves, as a value: one cell, its outcome, its modules."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dlkm.build.diagnostics import Diagnostic


class BuildOutcome(StrEnum):
    """How a cell ended."""

    BUILT = "built"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltModule:
    """One module in the output directory.

    `destination` is the directory below /lib/modules/RELEASE where the driver wants it ("/extra"), "" for no wish.
    """

    path: Path
    sha256: str
    vermagic: str
    destination: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One source built for one kernel; the fields are those of `dlkm build --json` (dlkm.build/1).

    `id` is `NAME@KERNEL`, the same everywhere. `kernel` is the kernel's id. `seconds` is wall time. `packages` are the
    names of those that a recipe made; what they are lies in packages.json beside the record. `error` is the first that
    explains a failure, as the log has it.
    """

    id: str
    source: Path
    kernel: str
    arch: str
    outcome: BuildOutcome
    reason: str = ""
    cached: bool = False
    seconds: float = 0.0
    modules: tuple[BuiltModule, ...] = ()
    symvers: Path | None = None
    log: Path | None = None
    packages: tuple[str, ...] = ()
    error: Diagnostic | None = None


def moved(cell: Cell, folder: Path) -> Cell:
    """The same cell with its files in another directory."""
    return replace(
        cell,
        modules=tuple(replace(module, path=folder / module.path.name) for module in cell.modules),
        symvers=None if cell.symvers is None else folder / cell.symvers.name,
        log=None if cell.log is None else folder / cell.log.name,
    )
