# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm check`: will it load there, and what would the kernel say?"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.build import add_build_flags
from dlkm.cli.common import add_kernel_flag, add_output_flag, kernels_of
from dlkm.cli.conditions import add_conditions, conditions_of, on
from dlkm.cli.selection import Selection, background_of, select
from dlkm.core.errors import DlkmError, ExitStatus, NothingSelectedError, UsageError
from dlkm.kernel.kernel import Kernel
from dlkm.report.terminal import Terminal
from dlkm.verdict.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from dlkm.verdict.conditions import Conditions


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="a .ko, a directory of them, a glob, a BUILD, or a SOURCE"
    )
    add_kernel_flag(parser, required=False)
    add_output_flag(parser)
    parser.add_argument(
        "--rootfs", type=Path, metavar="DIR", help="the kernels installed in this root filesystem; no PATH: its modules"
    )
    add_conditions(parser)
    answer = parser.add_argument_group("the answer")
    answer.add_argument("--strict", action="store_true", help="exit 8 when something cannot be told")
    answer.add_argument("--sarif", type=Path, metavar="FILE", help="write the findings as SARIF too")
    answer.add_argument("--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML too")
    add_build_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Judge every file for every kernel; a file that cannot be read does not keep the others from being judged."""
    since = time.time_ns()
    _require_folders(arguments)
    kernels = _kernels(arguments, terminal)
    conditions = conditions_of(arguments, arguments.rootfs)
    selection = _selection(arguments, kernels, terminal)
    errors = selection.errors
    verdicts: list[Verdict] = []
    for kernel in kernels:
        for result in _judged(kernel, selection, kernels, conditions, arguments):
            if isinstance(result, DlkmError):
                errors.append(result)
            else:
                verdicts.append(result)
    terminal.close()
    _show(verdicts, errors, arguments, terminal)
    if arguments.kept_as is not None:
        from dlkm.cli.remember import remember

        remember(arguments, kernels, selection, verdicts, terminal, since)
    for cell in selection.failed:
        terminal.events.warning(f"{cell.id} was not built, so it is not judged: {cell.reason} (log: {cell.log})")
    for error in {error.what: error for error in errors}.values():
        terminal.error(error)
    if errors:
        return max(error.status for error in errors)
    return ExitStatus.NO if selection.failed else _status(verdicts, strict=arguments.strict)


def _require_folders(arguments: argparse.Namespace) -> None:
    """A typing error in where a report goes makes no directories, and is told before the work."""
    for path in (arguments.sarif, arguments.junit):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no directory {path.parent}")


def _status(verdicts: Sequence[Verdict], *, strict: bool) -> ExitStatus:
    outcomes = {verdict.outcome for verdict in verdicts}
    if Outcome.FAILS in outcomes:
        return ExitStatus.NO
    return ExitStatus.CANNOT_TELL if strict and Outcome.CANNOT_TELL in outcomes else ExitStatus.OK


def _kernels(arguments: argparse.Namespace, terminal: Terminal) -> tuple[Kernel, ...]:
    if arguments.rootfs is not None:
        arguments.kernels = [*arguments.kernels, f"rootfs:{arguments.rootfs}"]
    if not arguments.kernels:
        raise UsageError("no kernel to check for", hint="name one: -k debian:RELEASE, or --rootfs DIR")
    return kernels_of(arguments, terminal)


def _selection(arguments: argparse.Namespace, kernels: Sequence[Kernel], terminal: Terminal) -> Selection:
    """The files for each kernel: those that are named, or where none is the kernel's own installed ones."""
    if arguments.paths:
        return select(arguments.paths, kernels, arguments, terminal)
    if arguments.rootfs is None:
        raise UsageError("no module to check", hint="give a .ko, a directory of them, or --rootfs DIR for all in it")
    from dlkm.kernel.installed import module_paths

    installed = {kernel.id: kernel.modules for kernel in kernels if kernel.modules is not None}
    selection = Selection(built={name: sorted(module_paths(modules)) for name, modules in installed.items()})
    if not any(selection.built.values()):
        raise NothingSelectedError(f"no module is installed in {arguments.rootfs}")
    return selection


def _judged(
    kernel: Kernel,
    selection: Selection,
    kernels: Sequence[Kernel],
    conditions: "Conditions",
    arguments: argparse.Namespace,
) -> "Iterator[Verdict | DlkmError]":
    from dlkm.verdict.batch import judge_all

    return judge_all(
        kernel, selection.of(kernel), on(kernel, conditions), arguments.jobs, background_of(selection, kernel, kernels)
    )


def _show(
    verdicts: Sequence[Verdict], errors: Sequence[DlkmError], arguments: argparse.Namespace, terminal: Terminal
) -> None:
    from dlkm.report import check

    if arguments.sarif is not None:
        from dlkm.report.sarif import write_sarif

        write_sarif(arguments.sarif, verdicts, errors)
    if arguments.junit is not None:
        from dlkm.report.junit import write_junit

        write_junit(arguments.junit, verdicts, errors)
    if arguments.json:
        terminal.document(check.check_document(verdicts, errors))
    elif verdicts:
        check.show(verdicts, terminal, all_findings=arguments.verbose)
