# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm prove`: boot the kernel, load, compare with the prediction."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.build import add_build_flags
from dlkm.cli.common import add_kernel_flag, add_output_flag, kernels_of
from dlkm.cli.inputs import INPUTS, cells_of, sort_out
from dlkm.cli.project import add_cell_flags, runs_project
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.kernel.demand import complete_for
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlkm.build.result import Cell
    from dlkm.cli.inputs import Input
    from dlkm.cli.prove_project import Proofs
    from dlkm.kernel.kernel import Kernel
    from dlkm.prove.attempt import ProveOptions


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    add = parser.add_argument
    help_ = f"{INPUTS} (default: what dlkm.toml here says)"
    add("paths", nargs="*", type=Path, metavar="FILE|BUILD|SOURCE", help=help_)
    add_kernel_flag(parser, required=False)
    add_output_flag(parser, project=True)
    add_cell_flags(parser)
    add("--param", dest="params", action="append", default=[], metavar="NAME=VALUE", help="given to every module")
    add(
        "--expect",
        choices=["loads", "fails", "agree"],
        default="loads",
        help="what must be seen for exit status 0, besides agreement with the prediction (default: every module loads)",
    )
    root = parser.add_argument_group("a root filesystem, in place of files").add_argument
    root(
        "--rootfs", type=Path, metavar="DIR|IMAGE", help="boot it twice with its own init; without -k, its own kernels"
    )
    root(
        "--module", dest="modules", action="append", default=[], metavar="NAME", help="it must be there after the boot"
    )
    root(
        "--device", dest="devices", action="append", default=[], metavar="D", help="a device of QEMU's for the machine"
    )
    guest = parser.add_argument_group("the guest").add_argument
    guest("--fresh", action="store_true", help="boot anew: neither use nor keep a booted guest")
    guest("--timeout", type=_seconds, default=60.0, metavar="S", help="how long one module may take (default: 60)")
    guest("--boot-timeout", type=_seconds, metavar="S", help="how long a boot may take (default: 120; --rootfs: 600)")
    guest("--accel", choices=["auto", "kvm", "tcg"], default="auto", help="auto: KVM where it works, else TCG")
    guest("--cmdline", default="", metavar="TEXT", help="added to the kernel's command line")
    add_build_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Gather or build, prove on each kernel, show."""
    if arguments.rootfs is not None:
        from dlkm.cli import prove_rootfs

        return prove_rootfs.run(arguments, terminal, _options(arguments))
    from dlkm.cli.prove_project import prove_project
    from dlkm.prove.case import Expectation, status_of, together
    from dlkm.report import prove as report

    options = _options(arguments)
    if runs_project(arguments, arguments.paths):
        proofs = prove_project(arguments, terminal, options)
    else:
        proofs = _prove_named(arguments, terminal, options)
    found = together(proofs.found)
    terminal.close()
    if arguments.json:
        terminal.document(report.prove_document(found, proofs.failed))
    elif found.cases:
        report.show(found, terminal)
    for cell in proofs.failed:
        terminal.events.warning(f"{cell.id} was not built, so it is not proven: {cell.reason} (log: {cell.log})")
    for error in {error.what: error for error in proofs.errors}.values():
        terminal.error(error)
    if proofs.errors:
        return max(error.status for error in proofs.errors)
    if proofs.failed or proofs.surprised:
        return ExitStatus.NO
    return status_of(found, Expectation(arguments.expect), proofs.failing)


def _prove_named(arguments: argparse.Namespace, terminal: Terminal, options: "ProveOptions") -> "Proofs":
    """What is named on the command line, on each kernel that is."""
    from dlkm.build.result import BuildOutcome
    from dlkm.cli.prove_project import Proofs
    from dlkm.core.processes import Processes
    from dlkm.matrix.evidence import keep_proofs
    from dlkm.prove.case import prove_files

    if not arguments.paths or not arguments.kernels:
        raise UsageError("nothing to prove", hint="name a file, a build or a source, and -k KERNEL")
    items = _inputs(arguments)
    found = []
    used: list[Cell] = []
    for kernel in kernels_of(arguments, terminal):
        files = _files(items, kernel, arguments, terminal, used)
        if files:
            found.append(prove_files(kernel, files, options, arguments.params, Processes(), terminal.events))
            if not arguments.params and not arguments.cmdline:
                keep_proofs(used, found[-1], kernel, project=False)
    return Proofs(found=found, failed=[cell for cell in used if cell.outcome is not BuildOutcome.BUILT])


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def _options(arguments: argparse.Namespace) -> "ProveOptions":
    from dlkm.prove.accelerator import Accelerator
    from dlkm.prove.attempt import ProveOptions

    if any(ord(letter) < 32 for letter in arguments.cmdline):
        raise UsageError("--cmdline: holds a control character")
    return ProveOptions(
        accelerator=None if arguments.accel == "auto" else Accelerator(arguments.accel),
        cmdline=arguments.cmdline,
        timeout=arguments.timeout,
        boot_timeout=arguments.boot_timeout or max(120.0 if arguments.rootfs is None else 600.0, arguments.timeout),
        fresh=arguments.fresh,
    )


def _files(
    items: "Sequence[Input]", kernel: "Kernel", arguments: argparse.Namespace, terminal: Terminal, used: "list[Cell]"
) -> tuple[Path, ...]:
    """The module files to prove on this kernel; the builds they come from, or that failed, are added to `used`."""
    from dlkm.core.processes import Processes

    files: dict[Path, None] = {}
    for item in items:
        if item.is_file:
            files[item.path] = None
        cells = list(cells_of(item, [kernel], arguments, terminal, Processes()))
        for cell in [cell for cell in cells if cell.kernel == kernel.id] or cells:
            used.append(cell)
            files |= dict.fromkeys(module.path for module in cell.modules)
    return tuple(files)


def _inputs(arguments: argparse.Namespace) -> "tuple[Input, ...]":
    complete_for(arguments.paths)
    for path in arguments.paths:
        if not path.exists():
            raise UsageError(f"there is no {path}")
    return sort_out(arguments.paths, arguments.subdir)
