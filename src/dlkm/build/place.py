# SPDX-License-Identifier: GPL-2.0-or-later
"""Where make runs: in the sandbox, or bare on this machine. Both put the same tools first in PATH."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from dlkm.build.compiler import Compiler
from dlkm.build.environment import Surroundings
from dlkm.build.kerneltree import KernelTree
from dlkm.build.mounts import DKMS_TREE, DRIVER, KMOD, REAL_KMOD
from dlkm.build.scratch import Scratch
from dlkm.core.processes import shell_line
from dlkm.kernel.kernel import Kernel

SYSTEM_PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")

_NO_DEPMOD = '[ "$name" = depmod ] && exit 0\n'

# The assembler runs beside the compiler: a fortieth less for a small module, and the same bytes.
PIPE = "-pipe"


class Place(Protocol):
    """Somewhere to run make."""

    @property
    def sandboxed(self) -> bool:
        """Whether the machine looks like the target from there."""

    @property
    def around(self) -> Surroundings:
        """Where things are, as make sees them."""

    @property
    def tree(self) -> KernelTree:
        """The kernel, as make sees it."""

    def environment(self) -> dict[str, str]:
        """What this place adds to make's environment."""

    def command(self, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> tuple[str, ...]:
        """The whole command line that runs `argv` there, with exactly that environment, in the directory `folder`."""


def prepare_tools(scratch: Scratch, kernel: Kernel, compiler: Compiler) -> None:
    """Write what goes first in PATH: the target's uname, a depmod that leaves all alone, the compiler's called name.

    Beside it goes what the sandbox puts into /proc and over this machine's kmod.
    """
    answers = f"#!/bin/sh\nrelease='{kernel.release}'\nmachine='{kernel.arch.uname}'\n"
    _script(scratch.tools / "uname", answers + files("dlkm.data").joinpath("uname.sh").read_text("utf-8"))
    # The modules of the target are not here: depmod would fail, or without a sandbox write this machine's own.
    _script(scratch.tools / "depmod", "#!/bin/sh\nexit 0\n")
    _script(scratch.tools / KMOD, f'#!/bin/sh\nname=${{0##*/}}\n{_NO_DEPMOD}exec {REAL_KMOD}/$name "$@"\n')
    said_by = kernel.compiler or kernel.config.get("CC_VERSION_TEXT") or "gcc"
    version = f"Linux version {kernel.release} (dlkm@dlkm) ({said_by}) #1 SMP"
    scratch.proc.mkdir(exist_ok=True)
    for name, text in (("version", version), ("osrelease", kernel.release), ("kernel-version", "#1 SMP")):
        (scratch.proc / name).write_text(f"{text}\n", "utf-8")
    if compiler.stand_in is not None:
        (scratch.tools / compiler.stand_in).symlink_to(compiler.path)


def _script(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o755)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """No sandbox: the copy and the kernel where they lie; prefix maps keep their paths out of the result."""

    scratch: Scratch
    tree: KernelTree
    kernel: Kernel
    around: Surroundings
    sandboxed: bool = False

    def environment(self) -> dict[str, str]:
        """Compiler flags that replace this machine's paths by those of the sandbox."""
        maps = [f"-ffile-prefix-map={self.scratch.driver}={DRIVER}"]
        maps.append(f"-ffile-prefix-map={self.scratch.dkms}={DKMS_TREE}")
        if self.kernel.tree is not None and self.kernel.tree != Path("/"):
            maps.append(f"-ffile-prefix-map={self.kernel.tree}=")
        return {"KCFLAGS": " ".join([PIPE, *maps]), "KAFLAGS": " ".join(maps)}

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
    return Bare(scratch=scratch, tree=tree, kernel=kernel, around=around)


def shown_command(argv: Sequence[str], environment: Mapping[str, str], folder: str) -> str:
    """The command as a reader of the log can repeat it."""
    told = (f"{name}={value}" for name, value in environment.items() if name in {"ARCH", "CROSS_COMPILE", "KERNEL_SRC"})
    return f"cd {shell_line([folder])} && {shell_line([*told, *argv])}"
