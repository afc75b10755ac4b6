# SPDX-License-Identifier: GPL-2.0-or-later
"""Where make runs: in the sandbox, or bare on this machine. Both put the same tools first in PATH."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dlkm.build.environment import Surroundings
from dlkm.build.kerneltree import KernelTree
from dlkm.build.mounts import KMOD, REAL_KMOD
from dlkm.build.scratch import Scratch
from dlkm.build.view import SYSTEM_PATH, View, bare_view, kernel_maps
from dlkm.core.data import data_text
from dlkm.core.processes import shell_line
from dlkm.kernel.compiler import Compiler
from dlkm.kernel.kernel import Kernel

_NO_DEPMOD = '[ "$name" = depmod ] && exit 0\n'


class Place(Protocol):
    """Somewhere to run make."""

    @property
    def view(self) -> View:
        """Where things are, as make sees them."""

    @property
    def tree(self) -> KernelTree:
        """The kernel, as make sees it."""

    def command(self, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> tuple[str, ...]:
        """The whole command line that runs `argv` there, with exactly that environment, in the directory `folder`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Small files that are written for a build (place below its scratch directory, content, executable), and links."""

    files: tuple[tuple[str, bytes, bool], ...]
    links: tuple[tuple[str, str], ...] = ()  # place, target


def tools_of(kernel: Kernel, compiler: Compiler) -> Tools:
    """What goes first in PATH: the target's uname, a depmod that leaves all alone, the compiler's called name.

    Beside it goes what the sandbox puts into /proc and over this machine's kmod.
    """
    answers = f"#!/bin/sh\nrelease='{kernel.release}'\nmachine='{kernel.arch.uname}'\n{data_text('uname.sh')}"
    said_by = kernel.compiler or kernel.config.get("CC_VERSION_TEXT") or "gcc"
    version = f"Linux version {kernel.release} (dlkm@dlkm) ({said_by}) #1 SMP"
    told = (("version", version), ("osrelease", kernel.release), ("kernel-version", "#1 SMP"))
    return Tools(
        files=(
            ("tools/uname", answers.encode(), True),
            # The modules of the target are not here: depmod would fail, or without a sandbox write this machine's own.
            ("tools/depmod", b"#!/bin/sh\nexit 0\n", True),
            (f"tools/{KMOD}", f'#!/bin/sh\nname=${{0##*/}}\n{_NO_DEPMOD}exec {REAL_KMOD}/$name "$@"\n'.encode(), True),
            ("tools/dlkm-dkms", data_text("dkms.sh").encode(), True),
            *((f"proc/{name}", f"{text}\n".encode(), False) for name, text in told),
        ),
        links=((f"tools/{compiler.stand_in}", str(compiler.path)),) if compiler.stand_in is not None else (),
    )


def prepare_tools(scratch: Scratch, tools: Tools) -> None:
    """Write them."""
    for place, content, executable in tools.files:
        path = scratch.path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if executable else 0o644)
    for place, target in tools.links:
        (scratch.path / place).symlink_to(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """No sandbox: the copy and the kernel where they lie; prefix maps keep their paths out of the result."""

    tree: KernelTree
    view: View

    def command(self, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> tuple[str, ...]:
        """`env -i` leaves nothing of the user's environment."""
        return ("env", "-i", f"--chdir={folder}", *(f"{name}={value}" for name, value in environment.items()), *argv)


def bare(scratch: Scratch, kernel: Kernel, tree: KernelTree, host_path: str) -> Bare:
    """The place without a sandbox; `host_path` is the user's PATH, of which ccache's links are left out."""
    path = [folder for folder in host_path.split(":") if folder.startswith("/") and "ccache" not in folder]
    around = Surroundings(
        kernel=tree.directory,
        driver=str(scratch.driver),
        root=str(scratch.root),
        home=str(scratch.home),
        tools=str(scratch.tools),
        path=":".join([str(scratch.tools), *(path or SYSTEM_PATH)]),
    )
    packaged = kernel.tree is not None and kernel.tree != Path("/")
    maps = (f"-fdebug-prefix-map={kernel.tree}=",) if packaged else kernel_maps(tree)
    return Bare(tree=tree, view=bare_view(around, str(scratch.dkms), maps))


def shown_command(argv: Sequence[str], environment: Mapping[str, str], folder: str) -> str:
    """The command as a reader of the log can repeat it."""
    told = (f"{name}={value}" for name, value in environment.items() if name in {"ARCH", "CROSS_COMPILE", "KERNEL_SRC"})
    return f"cd {shell_line([folder])} && {shell_line([*told, *argv])}"
