# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a build sees what: in the sandbox, bare on this machine, bare on a worker. Paths and flags, nothing is made."""

from collections.abc import Mapping
from dataclasses import dataclass

from dlkm.build.environment import Surroundings
from dlkm.build.kerneltree import KernelTree
from dlkm.build.mounts import DKMS_TREE, DRIVER, HOME, ROOT, TOOLS
from dlkm.kernel.compiler import Compiler

SYSTEM_PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")

# The assembler runs beside the compiler: a fortieth less for a small module, and the same bytes.
PIPE = "-pipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`kernel_dir` is where the kernel's build directory is said to be, `dkms` where DKMS's tree is, `flags` what
    replaces paths that only hold here by those of the sandbox, in the compiler's words.
    """

    around: Surroundings
    sandboxed: bool
    kernel_dir: str
    dkms: str
    flags: tuple[str, ...] = ()

    @property
    def environment(self) -> Mapping[str, str]:
        """What this adds to make's environment."""
        own = {"KCFLAGS": " ".join([PIPE, *self.flags])}
        return own | {"KAFLAGS": " ".join(self.flags)} if self.flags else own


def sandbox_view(tree: KernelTree, compiler: Compiler) -> View:
    """As in the sandbox: the same on every machine."""
    path = ":".join(dict.fromkeys([TOOLS, *SYSTEM_PATH, str(compiler.path.parent)]))
    return View(
        around=Surroundings(kernel=tree.directory, driver=DRIVER, root=ROOT, home=HOME, tools=TOOLS, path=path),
        sandboxed=True,
        kernel_dir=f"/lib/modules/{tree.release}/build",
        dkms=DKMS_TREE,
        flags=kernel_maps(tree),
    )


def bare_view(around: Surroundings, dkms: str, maps: tuple[str, ...]) -> View:
    """Without a sandbox; `maps` are for the kernel's paths."""
    own = (f"-ffile-prefix-map={around.driver}={DRIVER}", f"-ffile-prefix-map={dkms}={DKMS_TREE}")
    return View(around=around, sandboxed=False, kernel_dir=around.kernel, dkms=dkms, flags=(*own, *maps))


def kernel_maps(tree: KernelTree) -> tuple[str, ...]:
    """What makes debug information say that a kernel which lies wherever its owner put it lies where a target has it.

    Only debug information holds whole paths of a kernel's files: Kbuild itself takes them out of __FILE__.
    """
    return tuple(f"-fdebug-prefix-map={here}={usual}" for here, usual in tree.usual)


def translated(text: str, here: View, there: View) -> str:
    """A text with the paths of one view replaced by those of another."""
    if here.dkms == there.dkms:
        return text
    return text.replace(here.dkms, there.dkms).replace(here.kernel_dir, there.kernel_dir)
