# SPDX-License-Identifier: GPL-2.0-or-later
"""The sandbox: whether bubblewrap works here, and its command line. What it shows is decided in mounts.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.build.compiler import Compiler
from dlkm.build.environment import Surroundings
from dlkm.build.kerneltree import KernelTree
from dlkm.build.mounts import DRIVER, HOME, ROOT, TOOLS, mounts_of
from dlkm.build.place import PIPE, SYSTEM_PATH
from dlkm.build.scratch import Scratch
from dlkm.core.events import Events
from dlkm.core.processes import Runner

LOST = (
    "a Makefile that asks `uname -r` or looks into /lib/modules may miss the kernel, builds may reach the network and"
    " this machine's files, and the modules' bytes may depend on this machine"
)
ISOLATION = (
    *("--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
    *("--unshare-cgroup-try", "--hostname", "dlkm", "--cap-drop", "ALL"),
)

_OVER_PROC = ("--ro-bind", "/proc/version", "/proc/version")  # as mounts.py does: tried out too


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrap:
    """A bubblewrap that works here; `identity` makes the builder root inside, whoever runs it."""

    program: Path
    identity: tuple[str, ...]


def find_bubblewrap(runner: Runner, events: Events, *, is_root: bool) -> Bubblewrap | None:
    """The sandbox, tried out; None with a warning when it is missing or forbidden here."""
    program = runner.find("bwrap")
    if program is None:
        events.warning(f"no sandbox: bubblewrap is not installed (apt-get install bubblewrap): {LOST}")
        return None
    as_root_inside = ("--unshare-user", "--uid", "0", "--gid", "0")
    said = ""
    for identity in ((), as_root_inside) if is_root else (as_root_inside,):
        inside = ("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", *_OVER_PROC)
        tried = runner.run([program, *ISOLATION, *identity, *inside, "true"], timeout=20)
        if tried.ok:
            return Bubblewrap(program=program, identity=identity)
        said = tried.errors.decode("utf-8", "replace").strip()
    events.warning(f"no sandbox: bubblewrap may not be used here ({said}): {LOST}")
    return None


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
