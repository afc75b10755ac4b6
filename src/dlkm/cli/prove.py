# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm prove`: boot the kernel, load, compare with the prediction."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.build import add_build_flags
from dlkm.cli.common import add_kernel_flag, add_output_flag, kernels_of
from dlkm.cli.inputs import INPUTS, cells_of, sort_out
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlkm.build.result import Cell
    from dlkm.cli.inputs import Input
    from dlkm.kernel.kernel import Kernel
    from dlkm.prove.attempt import Boot, ProveOptions
    from dlkm.prove.case import Case


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="FILE|BUILD|SOURCE", help=INPUTS)
    add_kernel_flag(parser)
    add_output_flag(parser)
    add("--param", dest="params", action="append", default=[], metavar="NAME=VALUE", help="given to every module")
    add(
        "--expect",
        choices=["loads", "fails", "agree"],
        default="loads",
        help="what must be seen for exit status 0, besides agreement with the prediction (default: every module loads)",
    )
    guest = parser.add_argument_group("the guest").add_argument
    guest("--fresh", action="store_true", help="boot anew: neither use nor keep a booted guest")
    guest("--timeout", type=_seconds, default=60.0, metavar="S", help="how long one module may take (default: 60)")
    guest("--accel", choices=["auto", "kvm", "tcg"], default="auto", help="auto: KVM where it works, else TCG")
    guest("--cmdline", default="", metavar="TEXT", help="added to the kernel's command line")
    add_build_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Gather or build, prove on each kernel, show."""
    from dlkm.core.processes import Processes
    from dlkm.prove.case import Expectation, prove_files, status_of
    from dlkm.report import prove as report

    options = _options(arguments)
    boots: list[Boot] = []
    cases: list[Case] = []
    failed: list[Cell] = []
    items = _inputs(arguments)
    for kernel in kernels_of(arguments, terminal):
        files = _files(items, kernel, arguments, terminal, failed)
        if files:
            found = prove_files(kernel, files, options, arguments.params, Processes(), terminal.events)
            boots += found.boots
            cases += found.cases
    terminal.close()
    if arguments.json:
        terminal.document(report.prove_document(boots, cases, failed))
    elif cases:
        report.show(boots, cases, terminal)
    for cell in failed:
        terminal.events.warning(f"{cell.id} was not built, so it is not proven: {cell.reason} (log: {cell.log})")
    return ExitStatus.NO if failed else status_of(cases, Expectation(arguments.expect))


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
        boot_timeout=max(120.0, arguments.timeout),
        fresh=arguments.fresh,
    )


def _files(
    items: "Sequence[Input]", kernel: "Kernel", arguments: argparse.Namespace, terminal: Terminal, failed: "list[Cell]"
) -> tuple[Path, ...]:
    """The module files to prove on this kernel; what could not be built is added to `failed`."""
    from dlkm.build.result import BuildOutcome
    from dlkm.core.processes import Processes

    files: dict[Path, None] = {}
    for item in items:
        if item.is_file:
            files[item.path] = None
        cells = list(cells_of(item, [kernel], arguments, terminal, Processes()))
        for cell in [cell for cell in cells if cell.kernel == kernel.id] or cells:
            if cell.outcome is not BuildOutcome.BUILT:
                failed.append(cell)
            files |= dict.fromkeys(module.path for module in cell.modules)
    return tuple(files)


def _inputs(arguments: argparse.Namespace) -> "tuple[Input, ...]":
    for path in arguments.paths:
        if not path.exists():
            raise UsageError(f"there is no {path}")
    return sort_out(arguments.paths, arguments.subdir)
