# SPDX-License-Identifier: GPL-2.0-or-later
"""The sandbox of a build: its command line. What it shows is decided in mounts.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.build.bubblewrap import ISOLATION, Bubblewrap
from dlkm.build.kerneltree import KernelTree
from dlkm.build.mounts import mounts_of
from dlkm.build.scratch import Scratch
from dlkm.build.view import View, sandbox_view
from dlkm.kernel.compiler import Compiler


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One build's sandbox."""

    bubblewrap: Bubblewrap
    tree: KernelTree
    mounts: tuple[str, ...]
    view: View

    def command(self, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> tuple[str, ...]:
        """bubblewrap with every mount and variable spelt out."""
        setenv = (word for name, value in environment.items() for word in ("--setenv", name, value))
        start = (str(self.bubblewrap.program), *ISOLATION, *self.bubblewrap.identity)
        return (*start, *self.mounts, "--clearenv", *setenv, "--chdir", folder, "--", *argv)


def sandbox(bubblewrap: Bubblewrap, scratch: Scratch, tree: KernelTree, compiler: Compiler) -> Sandbox:
    """The place in which the machine looks like the one whose kernel `tree` is. Writes small files into the scratch."""
    mounts = mounts_of(Path("/"), scratch, tree, compiler)
    return Sandbox(bubblewrap=bubblewrap, tree=tree, mounts=mounts, view=sandbox_view(tree, compiler))
