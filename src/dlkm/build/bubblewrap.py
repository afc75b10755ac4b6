# SPDX-License-Identifier: GPL-2.0-or-later
"""Bubblewrap: whether it works here, and what every sandbox is cut off from. Decides nothing of what is seen."""

from dataclasses import dataclass
from pathlib import Path

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

_ROOT_INSIDE = ("--unshare-user", "--uid", "0", "--gid", "0")
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
    said = ""
    for identity in ((), _ROOT_INSIDE) if is_root else (_ROOT_INSIDE,):
        inside = ("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", *_OVER_PROC)
        tried = runner.run([program, *ISOLATION, *identity, *inside, "true"], timeout=20)
        if tried.ok:
            return Bubblewrap(program=program, identity=identity)
        said = tried.errors.decode("utf-8", "replace").strip()
    events.warning(f"no sandbox: bubblewrap may not be used here ({said}): {LOST}")
    return None


def presumed_bubblewrap(runner: Runner, *, is_root: bool) -> Bubblewrap | None:
    """The sandbox as it most often works, not tried out; None when it is not installed."""
    program = runner.find("bwrap")
    return None if program is None else Bubblewrap(program=program, identity=() if is_root else _ROOT_INSIDE)
