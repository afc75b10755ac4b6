# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages of a minimal root, from where this machine gets Debian from, and of any suite and architecture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.arch import Arch
from dlkm.core.errors import UsageError
from dlkm.core.events import Events
from dlkm.core.processes import Runner
from dlkm.kernel.apt import Archive, Package, host_sources
from dlkm.kernel.distros import Debian, Source
from dlkm.rootfs.minimal.table import table

FRESH = 6 * 3600.0  # seconds that package lists are used without asking again


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Which root: Debian's suite ("bookworm"), the architecture, and what it holds beside the least."""

    suite: str
    arch: Arch
    include: tuple[str, ...] = ()


class Packages:
    """What a kind of root consists of today."""

    def __init__(self, kind: Kind, home: Path, runner: Runner, events: Events) -> None:
        """`home` is where lists are kept. UsageError for a suite that is not known."""
        self._kind = kind
        self._archive = Archive(kind.arch.debian, _sources(kind.suite, runner), home, runner, events)

    def all(self) -> tuple[Package, ...]:
        """Each package of it, in its newest version; FetchError when the lists or a package cannot be had."""
        self._archive.refresh(FRESH)
        if self._archive.trouble is not None:
            raise self._archive.trouble
        names = self._archive.closure([*table().packages, *self._kind.include])
        return tuple(self._archive.show(names).values())

    def download(self, packages: Sequence[Package], folder: Path) -> tuple[Path, ...]:
        """Their files, verified."""
        return self._archive.download(packages, folder)


def _sources(suite: str, runner: Runner) -> tuple[Source, ...]:
    """Those of this machine that are of the suite, else its mirrors with the suite's name."""
    debian = Debian.read()
    family = {suite, f"{suite}-updates", f"{suite}-security"}
    found = tuple(source for source in debian.everywhere(host_sources(runner, debian)) if source.suite in family)
    if suite not in debian.suites or "-" in suite or not found:
        known = ", ".join(name for name in debian.suites if "-" not in name)
        raise UsageError(f"--suite {suite}: no such suite can be had here", hint=f"known are: {known}")
    return found
