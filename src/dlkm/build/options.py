# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user may ask of a build. Only values."""

from dataclasses import dataclass
from pathlib import Path

# A time that every file format can hold; what matters is that it is always the same.
EPOCH = 315532800  # 1980-01-01 00:00 UTC, in seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOptions:
    """Other machines: `workers` and `shared` are addresses of Remote Execution API services, which may be the same.

    `shared` is a cache only; `writes`: it also gets what is built here. `seconds` is how long a build may take there.
    `fallback`: what no worker gives is built here. `hermetic`: the toolchain goes with the inputs. The paths are
    PEM files, and a file with a bearer token.
    """

    workers: str | None = None
    shared: str | None = None
    writes: bool = True
    fallback: bool = True
    hermetic: bool = False
    seconds: float = 3600.0
    jobs: int = 16
    properties: tuple[tuple[str, str], ...] = ()
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How to build. `variables` go on make's command line as they are: make itself expands `$(KERNEL_SRC)` in them.

    `targets` replace the default goal; those with "install" in their name run after what they install was made.
    `jobs` is how many compilers may run at once; `epoch` is SOURCE_DATE_EPOCH in seconds; `cache` is whether to
    take and keep what is known of builds.
    """

    variables: tuple[tuple[str, str], ...] = ()
    targets: tuple[str, ...] = ()
    sandbox: bool = True
    jobs: int = 1
    epoch: int = EPOCH
    cache: bool = True
    remote: RemoteOptions | None = None

    @property
    def compile_goals(self) -> tuple[str, ...]:
        """The goals that make modules; none means the default."""
        return tuple(goal for goal in self.targets if "install" not in goal)

    @property
    def install_goals(self) -> tuple[str, ...]:
        """The goals that install them."""
        return tuple(goal for goal in self.targets if "install" in goal)
