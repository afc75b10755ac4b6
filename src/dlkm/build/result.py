# SPDX-License-Identifier: GPL-2.0-or-later
"""What a build leaves, as a value: one cell, its outcome, its modules."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class BuildOutcome(StrEnum):
    """How a cell ended."""

    BUILT = "built"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltModule:
    """One module in the output directory."""

    path: Path
    sha256: str
    vermagic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One source built for one kernel; the fields are those of `dlkm build --json` (dlkm.build/1).

    `id` is `NAME@KERNEL`, the same everywhere. `kernel` is the kernel's id. `seconds` is wall time.
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
