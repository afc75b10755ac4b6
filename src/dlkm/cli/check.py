# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm check`: will it load there, and what would the kernel say?"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.build import add_build_flags, build_project
from dlkm.cli.common import add_kernel_flag, add_output_flag, kernels_of
from dlkm.cli.conditions import add_conditions, are_given, by_firmware, conditions_of, on
from dlkm.cli.project import add_cell_flags, project_of, runs_project
from dlkm.cli.recall import keep
from dlkm.cli.selection import Selection, background_of, builds_of, select
from dlkm.core.errors import DlkmError, ExitStatus, NothingSelectedError, UsageError
from dlkm.kernel.kernel import Kernel
from dlkm.report.terminal import Terminal
from dlkm.verdict.digests import begun
from dlkm.verdict.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from dlkm.matrix.plan import Expected
    from dlkm.verdict.batch import Answers
    from dlkm.verdict.conditions import Conditions


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a .ko, a directory of them, a glob, a BUILD, or a SOURCE (default: what dlkm.toml here says)",
    )
    add_kernel_flag(parser, required=False)
    add_output_flag(parser, project=True)
    add_cell_flags(parser)
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
    from dlkm.cli.remember import Around

    since = begun() or time.time_ns()
    _require_folders(arguments)
    conditions = conditions_of(arguments)
    if runs_project(arguments, [*arguments.paths, *filter(None, [arguments.rootfs])]):
        kernels, selection, expected = _of_project(arguments, terminal)
    else:
        kernels = _kernels(arguments, terminal)
        selection, expected = _selection(arguments, kernels, terminal), {}
    errors = selection.errors
    verdicts: list[Verdict] = []
    firmware: list[str] = []
    around = Around(arguments, kernels, selection, since)
    by_content = True
    grounds: set[str] = set()
    for kernel in kernels:
        told = on(kernel, conditions, grounds)
        answers = _judged(kernel, selection, kernels, told, arguments)
        by_content = by_content and answers.by_content
        errors += [answer for answer in answers if isinstance(answer, DlkmError)]
        judged = [answer for answer in answers if isinstance(answer, Verdict)]
        verdicts += judged
        firmware += by_firmware(kernel, told, judged)
        if not are_given(arguments):
            _keep(kernel, selection, judged)
    terminal.close()
    states = around.states(verdicts, grounds, by_content=by_content)
    _show(verdicts, expected, errors, arguments, terminal)
    for line in firmware:
        terminal.events.info(line)
    if states is not None and not terminal.told:
        keep(arguments.kept_as, states(), "".join(terminal.answered).encode("utf-8", "surrogateescape"))
    for cell in selection.failed:
        terminal.events.warning(f"{cell.id} was not built, so it is not judged: {cell.reason} (log: {cell.log})")
    for error in {error.what: error for error in errors}.values():
        terminal.error(error)
    if errors:
        return max(error.status for error in errors)
    if selection.failed or selection.surprised:
        return ExitStatus.NO
    return _status(verdicts, expected, strict=arguments.strict)


def _of_project(
    arguments: argparse.Namespace, terminal: Terminal
) -> "tuple[tuple[Kernel, ...], Selection, Mapping[str, Expected]]":
    """What the project's cells bring, and which modules are expected not to load."""
    from dlkm.matrix.outcome import Standing, expected_loads, surprised

    arguments.kept_as = None  # sources are no ground for an answer that is kept
    project = project_of(arguments, (), terminal)
    results = build_project(project, arguments, terminal)
    selection = Selection(project=True, surprised=surprised(results))
    selection.take(result.attempt for result in results if result.standing is not Standing.EXPECTED)
    return project.kernels, selection, expected_loads(results, project.plan.cells)


def _keep(kernel: Kernel, selection: Selection, verdicts: Sequence[Verdict]) -> None:
    """Beside builds, for the report of the whole matrix."""
    cells = builds_of(selection, kernel)
    if cells:
        from dlkm.matrix.evidence import keep_verdicts

        keep_verdicts(cells, verdicts, kernel, project=selection.project)


def _require_folders(arguments: argparse.Namespace) -> None:
    """A typing error in where a report goes makes no directories, and is told before the work."""
    for path in (arguments.sarif, arguments.junit):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no directory {path.parent}")


def _status(verdicts: Sequence[Verdict], expected: "Mapping[str, Expected]", *, strict: bool) -> ExitStatus:
    outcomes = {_against(verdict, expected.get(verdict.path)) for verdict in verdicts}
    if Outcome.FAILS in outcomes:
        return ExitStatus.NO
    return ExitStatus.CANNOT_TELL if strict and Outcome.CANNOT_TELL in outcomes else ExitStatus.OK


def _against(verdict: Verdict, expected: "Expected | None") -> Outcome:
    """What a verdict counts as: one that is expected not to load is right when it does not."""
    if expected is None or verdict.outcome is Outcome.CANNOT_TELL:
        return verdict.outcome
    surprising = verdict.outcome is Outcome.LOADS and expected.strict
    return Outcome.FAILS if surprising else Outcome.LOADS


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
) -> "Answers":
    from dlkm.verdict.batch import judge_all

    background = background_of(selection, kernel, kernels)
    return judge_all(kernel, selection.of(kernel), conditions, arguments.jobs, background)


def _show(
    verdicts: Sequence[Verdict],
    expected: "Mapping[str, Expected]",
    errors: Sequence[DlkmError],
    arguments: argparse.Namespace,
    terminal: Terminal,
) -> None:
    from dlkm.report import check

    if arguments.sarif is not None:
        from dlkm.report.sarif import write_sarif

        write_sarif(arguments.sarif, verdicts, errors)
    if arguments.junit is not None:
        from dlkm.report.junit import write_junit

        write_junit(arguments.junit, verdicts, errors, expected)
    if arguments.json:
        terminal.document(check.check_document(verdicts, errors, expected))
    elif verdicts:
        check.show(verdicts, terminal, all_findings=arguments.verbose)
        check.show_expected(verdicts, expected, terminal)
