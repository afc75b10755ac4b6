# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user may ask of a recipe's evaluation and build. Only values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.yocto.releases import Release

# The newest whose default configuration puts modules-load.d below /etc, and which takes both layouts of sources.
DEFAULT_RELEASE = Release.WHINLATTER

DEFAULT_SECONDS = 3600.0
_LONGEST = 7 * 86400.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOptions:
    """How to read and build recipes. `machine` None: the one that the kernel's architecture has by default.

    `layers` are searched for classes, machines, distros, bbappends and other recipes beside the recipe's own layer.
    `mirror` is a URL or directory of sources, asked before the network; `offline`: the network is not asked at all.
    `conf` are files in the language of local.conf; `forced` variables win over them. `seconds` limits all tasks of
    one recipe.
    """

    release: Release = DEFAULT_RELEASE
    machine: str | None = None
    distro: str | None = None
    layers: tuple[Path, ...] = ()
    mirror: str | None = None
    offline: bool = False
    conf: tuple[Path, ...] = ()
    forced: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 1
    seconds: float = DEFAULT_SECONDS

    def __post_init__(self) -> None:
        """UsageError for a name that could not be a file's, and for no time at all."""
        for what, name in (("--machine", self.machine), ("--distro", self.distro)):
            if name is not None and not _NAME.match(name):
                raise UsageError(f"{what} {name}: not the name of one")
        if not 0 < self.seconds <= _LONGEST:
            raise UsageError(f"--task-timeout {self.seconds:g}: between 0 and {_LONGEST:g} seconds")
