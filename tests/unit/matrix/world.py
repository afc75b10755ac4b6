# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources and kernels that exist only as values, for what plans and reports."""

from pathlib import Path

from dlkm.core.arch import arch_named
from dlkm.kernel.kernel import Kernel
from dlkm.matrix.declaration import Declared
from dlkm.matrix.plan import PlannedKernel
from dlkm.matrix.reader import ProjectFile, read_project
from dlkm.matrix.sources import Source
from dlkm.source.driver import Driver, Style
from dlkm.source.makefile import Makefile


def source(name: str, *entries: int, recipe: bool = False) -> Source:
    """A driver, or a recipe."""
    path = Path("/src") / (f"{name}_1.0.bb" if recipe else name)
    makefile = Makefile(path=path / "Makefile", lines=())
    driver = Driver(path=path, name=name, subdir="", style=Style.MAKE, makefile=makefile)
    return Source(name=name, path=path, driver=None if recipe else driver, called=name, entries=entries)


def kernel(release: str, *entries: int) -> PlannedKernel:
    """A kernel of that release."""
    made = Kernel(id=release, release=release, arch=arch_named("x86_64"), origin=f"debian:{release}")
    return PlannedKernel(kernel=made, entries=entries)


def project(folder: Path, text: str) -> ProjectFile:
    """A project file with that text."""
    path = folder / "dlkm.toml"
    path.write_text(text)
    return read_project(path)


NOTHING = Declared()
