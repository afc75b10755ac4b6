# SPDX-License-Identifier: GPL-2.0-or-later
"""make in a kernel's full source, where it can neither write elsewhere nor reach the network. Decides nothing."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.arch import Arch
from dlkm.core.errors import FetchError, MissingToolError
from dlkm.core.processes import Completed, Runner, bound_to_us, failed
from dlkm.core.tools import all_tools, install_command, missing
from dlkm.kernel.compiler import Compiler

TIMEOUT = 1800.0  # seconds
TOOLS = ("make", "bwrap", "bc", "flex", "bison", "libelf-dev", "libssl-dev")
_ISOLATION = (
    *("--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
    *("--unshare-cgroup-try", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *("--tmpfs", "/tmp", "--tmpfs", "/usr/src", "--tmpfs", "/root", "--tmpfs", "/home", "--tmpfs", "/run"),  # noqa: S108
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """One source tree (`here`, writable) that make sees as `place`; `log` gets what make says."""

    here: Path
    place: str
    arch: Arch
    compiler: Compiler
    runner: Runner
    log: Path
    release: str | None = None
    extra: tuple[tuple[Path, str], ...] = ()  # further directories, writable

    def make(self, *words: str, doing: str) -> None:
        """Run make there; FetchError with its last words when it fails: what was fetched does not build."""
        done = self.runner.run(self._command(words), log=self.log, timeout=TIMEOUT)
        if not done.ok:
            raise failed(_with_log(done, self.log), doing, FetchError)

    def ask(self, *words: str) -> str:
        """What make prints, without the end of the line."""
        return self.runner.run(self._command(("-s", *words)), timeout=TIMEOUT).text().strip()

    def _command(self, words: Sequence[str]) -> tuple[str, ...]:
        identity = () if os.geteuid() == 0 else ("--unshare-user", "--uid", "0", "--gid", "0")
        places = [(self.here, self.place), *self.extra]
        binds = [word for path, place in places for word in ("--bind", str(path), place)]
        variables = {
            "ARCH": self.arch.name,
            "CROSS_COMPILE": self.arch.cross_compile,
            "LOCALVERSION": "",
            **_compilers(self.compiler),
            **({"KERNELRELEASE": self.release} if self.release is not None else {}),
        }
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        environment |= {"KBUILD_BUILD_USER": "dlkm", "KBUILD_BUILD_HOST": "dlkm", "KBUILD_BUILD_TIMESTAMP": "@0"}
        setenv = [word for name, value in environment.items() for word in ("--setenv", name, value)]
        start = (*bound_to_us(self.runner), "bwrap", *_ISOLATION, *identity, *binds, "--clearenv", *setenv)
        assigned = [f"{name}={value}" for name, value in variables.items()]
        return (*start, "--", "make", "-C", self.place, f"-j{os.cpu_count() or 1}", *assigned, *words)


def require_tools(runner: Runner) -> None:
    """MissingToolError with the one command that installs all that preparing a source takes."""
    lacking = [tool for tool in all_tools() if tool.name in TOOLS and tool.find() is None]
    if lacking:
        names = ", ".join(tool.name for tool in lacking)
        raise MissingToolError(f"preparing a full kernel source needs {names}", hint=install_command(lacking))
    if runner.find("bwrap") is None:
        raise missing("bwrap")


def _compilers(compiler: Compiler) -> dict[str, str]:
    return {"CC": compiler.path.name} if compiler.llvm is None else {"LLVM": compiler.llvm}


def _with_log(done: Completed, log: Path) -> Completed:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        last = stream.read()
    return Completed(argv=done.argv, status=done.status, output=b"", errors=last, timed_out=done.timed_out)
