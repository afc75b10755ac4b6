# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user may ask of a build. Only values."""

from dataclasses import dataclass

# A time that every file format can hold; what matters is that it is always the same.
EPOCH = 315532800  # 1980-01-01 00:00 UTC, in seconds


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

    @property
    def compile_goals(self) -> tuple[str, ...]:
        """The goals that make modules; none means the default."""
        return tuple(goal for goal in self.targets if "install" not in goal)

    @property
    def install_goals(self) -> tuple[str, ...]:
        """The goals that install them."""
        return tuple(goal for goal in self.targets if "install" in goal)
