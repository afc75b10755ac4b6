# SPDX-License-Identifier: GPL-2.0-or-later
"""What this machine offers: programs and their versions, a sandbox, KVM, room for the caches. Changes nothing."""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dlkm.core.errors import MissingToolError
from dlkm.core.files import cache_home
from dlkm.core.processes import Runner
from dlkm.core.tools import Tool, all_tools

ANSWER_TIME = 10.0  # seconds a program may take to say its version, or the sandbox to start `true`
ROOM_WANTED = 4 << 30  # bytes; a Debian kernel with headers takes half a gibibyte
KVM_DEVICE = Path("/dev/kvm")
SANDBOX = ("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-user", "--unshare-pid",
           "--unshare-net", "true")  # fmt: skip

_VERSION = re.compile(r"\d+(?:\.\d+)+\S*|(?<=version )\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """One tool on this machine; `path` None when it is missing, `version` None when it says none."""

    tool: Tool
    path: Path | None
    version: str | None


class KvmDevice(StrEnum):
    """What can be told of KVM without using it; that it works only a guest can show."""

    USABLE = "usable"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Whether bubblewrap really starts a program here; `reason` says why not."""

    works: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The user's cache directory, made or not; `free` in bytes, None when nothing tells."""

    path: Path
    writable: bool
    free: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All of it."""

    tools: tuple[Presence, ...]
    sandbox: Sandbox
    kvm: KvmDevice
    cache: Cache

    @property
    def missing(self) -> tuple[Tool, ...]:
        """The tools that are not there, needed or not."""
        return tuple(presence.tool for presence in self.tools if presence.path is None)

    @property
    def sufficient(self) -> bool:
        """Whether the main road is open: every needed tool is there and the cache can be written."""
        return self.cache.writable and not any(tool.needed for tool in self.missing)


def survey(runner: Runner, jobs: int, tools: Sequence[Tool] | None = None) -> Surroundings:
    """Look around; asks up to `jobs` programs at once."""
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        asked = pool.map(lambda tool: presence_of(tool, runner), all_tools() if tools is None else tools)
        return Surroundings(tools=tuple(asked), sandbox=try_sandbox(runner), kvm=kvm_device(), cache=cache_at())


def presence_of(tool: Tool, runner: Runner) -> Presence:
    """Where a tool lies and which version it says it is."""
    path = tool.find()
    version = None
    if path is not None and tool.version:
        try:
            completed = runner.run([path, *tool.version], timeout=ANSWER_TIME)
            version = version_in((completed.output or completed.errors).decode("utf-8", "replace"))
        except MissingToolError:  # it lies there but cannot be run
            path = None
    return Presence(tool=tool, path=path, version=version)


def version_in(text: str) -> str | None:
    """The first version number in what a program said of itself."""
    match = _VERSION.search(re.sub(r"\([^)]*\)", "", text)) or _VERSION.search(text)
    return match[0].rstrip(",.;:)") if match is not None else None


def try_sandbox(runner: Runner) -> Sandbox:
    """Start `true` in a sandbox of the kind that builds use."""
    if runner.find("bwrap") is None:
        return Sandbox(works=False, reason="bubblewrap is not installed")
    completed = runner.run(SANDBOX, timeout=ANSWER_TIME)
    if completed.ok:
        return Sandbox(works=True)
    said = completed.errors.decode("utf-8", "replace").strip().splitlines()
    return Sandbox(works=False, reason="it hangs" if completed.timed_out else (said or ["it says nothing"])[-1])


def kvm_device(device: Path = KVM_DEVICE) -> KvmDevice:
    """Whether the device is there and may be opened."""
    if not device.exists():
        return KvmDevice.ABSENT
    return KvmDevice.USABLE if os.access(device, os.R_OK | os.W_OK) else KvmDevice.FORBIDDEN


def cache_at(path: Path | None = None) -> Cache:
    """The cache directory; where it does not exist yet, its nearest parent decides."""
    wanted = cache_home() if path is None else path
    there = next(folder for folder in (wanted, *wanted.parents) if folder.exists())
    try:
        status = os.statvfs(there)
        free = status.f_bavail * status.f_frsize
    except OSError:
        free = None
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return Cache(path=wanted, writable=writable, free=free)
