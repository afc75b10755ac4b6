# SPDX-License-Identifier: GPL-2.0-or-later
"""The environment and the command lines of make: tables and arguments in, values out. Runs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlkm.build.options import BuildOptions
from dlkm.core.data import data_table
from dlkm.kernel.compiler import Compiler
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import Driver, Style

# Few drivers' Makefiles say all that needs what: with a plain `make` they work, in parallel they may not. So every make
# takes its goals in order, but those that Kbuild calls (which have KBUILD_EXTMOD from it): there the option only makes
# a target that nobody asks for, `.NOTPARALLELX`. No blanks: Kbuild looks for letters in the words of MAKEFLAGS.
SERIAL_OUTSIDE_KBUILD = "--eval=.NOTPARALLEL$(KBUILD_EXTMOD:%=X):"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where things are, as make sees them: the kernel, the copy, the install root, HOME, our tools, PATH."""

    kernel: str
    driver: str
    root: str
    home: str
    tools: str
    path: str

    def folder(self, driver: Driver) -> str:
        """Where make runs."""
        return f"{self.driver}/{driver.subdir}" if driver.subdir else self.driver


def _table() -> dict[str, Any]:
    table: dict[str, Any] = data_table("kbuild.toml")["variables"]
    return table


def make_environment(
    driver: Driver, kernel: Kernel, compiler: Compiler, options: BuildOptions, around: Surroundings
) -> dict[str, str]:
    """All that make finds in its environment: nothing of the user's own comes through."""
    table = _table()
    variables = dict.fromkeys(table["directory"], around.kernel) | dict.fromkeys(table["release"], kernel.release)
    if driver.makefile.wants_kernelrelease:
        # Otherwise a two-faced Makefile would take itself for Kbuild.
        variables["KERNELRELEASE"] = kernel.release
    return (
        variables
        | fixed_environment(kernel, compiler, options)
        | {
            "HOME": around.home,
            "PATH": around.path,
            "PWD": around.folder(driver),
            "TMPDIR": "/tmp",  # noqa: S108 — in the sandbox a private one; outside it the machine's own
        }
    )


def fixed_environment(kernel: Kernel, compiler: Compiler, options: BuildOptions) -> dict[str, str]:
    """What makes the result the same everywhere, and the architecture."""
    cross = kernel.arch.cross_compile
    llvm = {} if compiler.llvm is None else {"LLVM": compiler.llvm}
    return llvm | {
        "ARCH": kernel.arch.name,
        "CROSS_COMPILE": cross,
        "CCACHE_DISABLE": "1",
        "KBUILD_BUILD_HOST": "dlkm",
        "KBUILD_BUILD_TIMESTAMP": f"@{options.epoch}",
        "KBUILD_BUILD_USER": "dlkm",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "root",
        "SHELL": "/bin/sh",
        "SOURCE_DATE_EPOCH": str(options.epoch),
        "TZ": "UTC",
        "USER": "root",
    }


def install_environment(around: Surroundings) -> dict[str, str]:
    """What leads an install goal into the install root."""
    return dict.fromkeys(_table()["install_root"], around.root)


def make_commands(driver: Driver, options: BuildOptions, around: Surroundings) -> tuple[tuple[str, ...], ...]:
    """The calls of make, in order: what makes modules, then what installs them."""
    goals = options.compile_goals or (("modules",) if driver.style is Style.KBUILD else ())
    commands = [_make(driver, options, around, goals, ())]
    if options.install_goals:
        # DEPMOD is assigned in the kernel's Makefile, so only the command line can say it.
        commands.append(_make(driver, options, around, options.install_goals, ("DEPMOD=true",)))
    return tuple(commands)


def _make(
    driver: Driver, options: BuildOptions, around: Surroundings, goals: Sequence[str], extra: Sequence[str]
) -> tuple[str, ...]:
    where = ("-C", around.kernel, f"M={around.folder(driver)}") if driver.style is Style.KBUILD else ()
    variables = (f"{name}={value}" for name, value in options.variables)
    # How many jobs there may be is the job server's to say, in MAKEFLAGS.
    serial = () if driver.style is Style.KBUILD else (SERIAL_OUTSIDE_KBUILD,)
    return ("make", *serial, *where, *variables, *extra, *goals)
