# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm rootfs`: root filesystems to try things in."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.common import add_common_flags, add_kernel_flag, kernels_of
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlkm.core.arch import Arch
    from dlkm.kernel.kernel import Kernel


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))
    summary = "make a minimal Debian root filesystem with systemd, udev and kmod, from packages and without root"
    making = actions.add_parser("new", help=summary, description=summary[0].upper() + summary[1:] + ".")
    add_common_flags(making, again=True)
    add = making.add_argument
    add("folder", type=Path, metavar="DIR", help="where: a new directory, or an empty one")
    add("--suite", default="bookworm", metavar="SUITE", help="Debian's release (default: bookworm)")
    add("--arch", metavar="ARCH", help="default: that of the kernels, else this machine's")
    add("--include", action="append", default=[], metavar="PACKAGE", help="install this too; may be given again")
    add_kernel_flag(making, required=False)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Make it, and say what it is."""
    from dlkm.core.processes import Processes
    from dlkm.report.document import document
    from dlkm.rootfs.minimal.fetch import Kind
    from dlkm.rootfs.minimal.make import Maker

    kernels = kernels_of(arguments, terminal) if arguments.kernels else ()
    kind = Kind(suite=arguments.suite, arch=_arch(arguments.arch, kernels), include=tuple(arguments.include))
    Maker(runner=Processes(), events=terminal.events).put(kind, kernels, arguments.folder)
    terminal.close()
    if arguments.json:
        made = {"path": arguments.folder.absolute(), "suite": kind.suite, "arch": kind.arch.name}
        terminal.document(document("rootfs", rootfs=made | {"kernels": [kernel.id for kernel in kernels]}))
    else:
        what = f"Debian {kind.suite} for {kind.arch.name}"
        terminal.print(f"{arguments.folder}: {', '.join([what, *(kernel.id for kernel in kernels)])}")
    return ExitStatus.OK


def _arch(named: str | None, kernels: "Sequence[Kernel]") -> "Arch":
    from dlkm.core.arch import arch_named, host_arch

    if named is not None:
        return arch_named(named)
    found = {kernel.arch.name: kernel.arch for kernel in kernels}
    if len(found) > 1:
        raise UsageError("these kernels are of several architectures, and a root filesystem is of one")
    return next(iter(found.values()), host_arch())
