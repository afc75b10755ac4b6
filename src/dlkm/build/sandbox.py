# SPDX-License-Identifier: GPL-2.0-or-later
"""The sandbox of a build: its command line. What it shows is decided in mounts.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.build.bubblewrap import ISOLATION, Bubblewrap
from dlkm.build.compiler import Compiler
from dlkm.build.environment import Surroundings
from dlkm.build.kerneltree import KernelTree
from dlkm.build.mounts import DRIVER, HOME, ROOT, TOOLS, mounts_of
from dlkm.build.place import PIPE, SYSTEM_PATH
from dlkm.build.scratch import Scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One build's sandbox."""

    bubblewrap: Bubblewrap
    scratch: Scratch
    tree: KernelTree
    mounts: tuple[str, ...]
    around: Surroundings
    sandboxed: bool = True

    def environment(self) -> dict[str, str]:
        """Nothing has to be replaced: all paths are the same everywhere."""
        return {"KCFLAGS": PIPE}

    def command(self, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> tuple[str, ...]:
        """bubblewrap with every mount and variable spelt out."""
        setenv = (word for name, value in environment.items() for word in ("--setenv", name, value))
        start = (str(self.bubblewrap.program), *ISOLATION, *self.bubblewrap.identity)
        return (*start, *self.mounts, "--clearenv", *setenv, "--chdir", folder, "--", *argv)


def sandbox(bubblewrap: Bubblewrap, scratch: Scratch, tree: KernelTree, compiler: Compiler) -> Sandbox:
    """The place in which the machine looks like the one whose kernel `tree` is. Writes small files into the scratch."""
    path = ":".join([TOOLS, *SYSTEM_PATH, str(compiler.path.parent)])
    return Sandbox(
        bubblewrap=bubblewrap,
        scratch=scratch,
        tree=tree,
        mounts=mounts_of(Path("/"), scratch, tree, compiler),
        around=Surroundings(kernel=tree.directory, driver=DRIVER, root=ROOT, home=HOME, tools=TOOLS, path=path),
    )
