# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm recipe lint`: what is wrong with a recipe, by line, and what to write instead."""

import argparse
from pathlib import Path

from dlkm.core.errors import ExitStatus
from dlkm.report.terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """The action's own arguments."""
    parser.add_argument("recipes", nargs="+", type=Path, metavar="FILE", help="a .bb, .bbappend or .inc")
    add_release_flag(parser)


def add_release_flag(parser: argparse.ArgumentParser) -> None:
    """`--yocto RELEASE`, for what differs between Yocto's releases."""
    from dlkm.yocto.releases import NEWEST, Release

    parser.add_argument(
        "--yocto",
        type=Release,
        choices=list(Release),
        default=NEWEST,
        metavar="RELEASE",
        help=f"for this release: {', '.join(Release)}; {NEWEST} when not given",
    )


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show all findings; ExitStatus.NO when one of them is an error."""
    from dlkm.report.recipe import lint_document, show_findings
    from dlkm.yocto.lint import lint

    reports = [lint(path, arguments.yocto) for path in arguments.recipes]
    if arguments.json:
        terminal.document(lint_document(reports))
    else:
        show_findings(reports, terminal)
    return ExitStatus.OK if all(report.clean for report in reports) else ExitStatus.NO
