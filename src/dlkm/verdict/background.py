# SPDX-License-Identifier: GPL-2.0-or-later
"""What is at hand beside a module and its kernel, and only makes answers fuller: other kernels, its build."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.verdict.others import Others


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """`companions` are files of the given modules' own packages: they may serve them, and are not asked about.

    `recorded` says for which kernel's id a file was built, by the record of its build.
    """

    others: Others | None = None
    companions: tuple[Path, ...] = ()
    recorded: Mapping[Path, str] = field(default_factory=dict)
