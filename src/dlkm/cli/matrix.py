# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm matrix`: the cells that `dlkm build` would run, and how each is set."""

import argparse
from pathlib import Path

from dlkm.cli.build import add_build_flags
from dlkm.cli.common import add_kernel_flag, add_output_flag
from dlkm.cli.project import add_cell_flags, project_of
from dlkm.core.errors import ExitStatus
from dlkm.report.terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    what = "a driver's directory or a .bb recipe (default: what dlkm.toml here says, or else the driver here)"
    parser.add_argument("sources", nargs="*", type=Path, metavar="SOURCE", help=what)
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of dlkm.toml, and nothing else")
    add_kernel_flag(parser, required=False)
    add_output_flag(parser, project=True)
    add_cell_flags(parser)
    add_build_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Plan, and show the plan."""
    from dlkm.matrix.schema import schema
    from dlkm.report.matrix import matrix_document, show_matrix

    if arguments.schema:
        terminal.document(schema())
        return ExitStatus.OK
    project = project_of(arguments, arguments.sources, terminal, unverified=True)
    terminal.close()
    path = project.file.path.absolute() if project.file is not None else None
    if arguments.json:
        terminal.document(matrix_document(project.plan, path, project.output))
    else:
        show_matrix(project.plan, terminal, settings=arguments.verbose)
    return ExitStatus.OK
