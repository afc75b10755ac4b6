# SPDX-License-Identifier: GPL-2.0-or-later
"""The directories of one build in the cache, gone when it ends; what a killed build left goes with the next one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.files import cache_home, held_dir, remove_tree

_PATIENCE = 2.0  # seconds for the last processes of an interrupted build to go away


@dataclass(frozen=True, slots=True)
class Scratch:
    """One build's directories: `driver` the copy, `root` where installs go, `tools` our uname and names, `home`."""

    path: Path

    @property
    def driver(self) -> Path:
        """The copy of the source directory."""
        return self.path / "driver"

    @property
    def root(self) -> Path:
        """What install goals fill."""
        return self.path / "root"

    @property
    def tools(self) -> Path:
        """First in PATH."""
        return self.path / "tools"

    @property
    def proc(self) -> Path:
        """What /proc says of the kernel."""
        return self.path / "proc"

    @property
    def dkms(self) -> Path:
        """What DKMS calls its tree."""
        return self.path / "dkms"

    @property
    def home(self) -> Path:
        """HOME."""
        return self.path / "home"

    @property
    def log(self) -> Path:
        """What make says."""
        return self.path / "build.log"


def scratch_home() -> Path:
    """Where the scratch directories lie."""
    return cache_home() / "build"


@contextmanager
def scratch(home: Path | None = None) -> Iterator[Scratch]:
    """A scratch directory, locked while it is in use."""
    parent = home or scratch_home()
    with held_dir(parent, "job-") as path:
        place = Scratch(path)
        for folder in (place.driver, place.root, place.tools, place.home, place.dkms):
            folder.mkdir()
        try:
            yield place
        finally:
            _remove_patiently(path)


def _remove_patiently(path: Path) -> None:
    """Processes of an interrupted build may still write for a moment."""
    deadline = time.monotonic() + _PATIENCE
    remove_tree(path)
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
        remove_tree(path)
    # held_dir removes it once more, and needs something to remove.
    with suppress(OSError):
        path.mkdir()
