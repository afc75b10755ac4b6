# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm matrix`: the cells that `dlkm build` would run, and how each is set."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlkm.cli.build import add_build_flags
from dlkm.cli.common import add_kernel_flag, add_output_flag
from dlkm.cli.project import add_cell_flags, has_project, project_of
from dlkm.core.errors import ExitStatus, NothingSelectedError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from dlkm.kernel.kernel import Kernel
    from dlkm.matrix.fleet import Fleet


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    what = "a driver's directory or a .bb recipe (default: what dlkm.toml here says, or else the driver here)"
    parser.add_argument("sources", nargs="*", type=Path, metavar="SOURCE", help=what)
    parser.add_argument(
        "--report",
        nargs="?",
        const="terminal",
        choices=["terminal", "markdown", "html"],
        help="which driver runs on which kernel, from the last builds, verdicts and proofs (default: for the terminal)",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of dlkm.toml, and nothing else")
    add_kernel_flag(parser, required=False)
    add_output_flag(parser, project=True)
    add_cell_flags(parser)
    add_build_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Plan, and show the plan, or what is known of its cells."""
    if arguments.schema:
        from dlkm.matrix.schema import schema

        terminal.document(schema())
        return ExitStatus.OK
    if arguments.report is not None and not arguments.sources and not arguments.kernels and not has_project():
        return _report_found(arguments, terminal)
    from dlkm.report.matrix import matrix_document, show_matrix

    project = project_of(arguments, arguments.sources, terminal, unverified=True)
    terminal.close()
    path = project.file.path.absolute() if project.file is not None else None
    if arguments.report is not None:
        from dlkm.matrix.fleet import asked_of, fleet_of

        folder = project.file.folder if project.file is not None else None
        kernels = {kernel.id: kernel for kernel in project.kernels}
        fleet = fleet_of(
            asked_of(project.plan.cells, folder), project.output, lambda kernel: _identity(kernels[kernel])
        )
        _show(fleet, arguments, terminal, lambda: matrix_document(project.plan, path, project.settings))
    elif arguments.json:
        terminal.document(matrix_document(project.plan, path, project.settings))
    else:
        show_matrix(project.plan, project.settings, terminal, verbose=arguments.verbose)
    return ExitStatus.OK


def _report_found(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Of what lies in the output directory, whatever it was built from."""
    from dlkm.matrix.fleet import fleet_of, found_in
    from dlkm.matrix.selector import Selector

    output = arguments.output or Path("out")
    only = [Selector(text, "--only") for text in arguments.only]
    skip = [Selector(text, "--skip") for text in arguments.skip]
    asked = [
        one
        for one in found_in(output)
        if (not only or any(selector(one.id) for selector in only)) and not any(selector(one.id) for selector in skip)
    ]
    if not asked:
        raise NothingSelectedError(
            f"no build in {output}", hint="name its directory with -o, or SOURCEs with -k KERNEL"
        )
    _show(fleet_of(asked, output), arguments, terminal, lambda: {"schema": "dlkm.matrix/1"})
    return ExitStatus.OK


def _identity(kernel: "Kernel") -> str:
    from dlkm.kernel.identity import identity_of
    from dlkm.kernel.pool import Pool

    return identity_of(kernel, Pool())


def _show(
    fleet: "Fleet", arguments: argparse.Namespace, terminal: Terminal, document: Callable[[], dict[str, Any]]
) -> None:
    from dlkm.report import fleet as report

    if arguments.json:
        terminal.document(document() | report.fleet_part(fleet))
    elif arguments.report == "markdown":
        from dlkm.report.fleet_markdown import fleet_markdown

        terminal.write(fleet_markdown(fleet))
    elif arguments.report == "html":
        from dlkm.report.fleet_html import fleet_html

        terminal.write(fleet_html(fleet))
    else:
        report.show_fleet(fleet, terminal, everything=arguments.verbose)
