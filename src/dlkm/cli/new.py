# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm new`: a driver's first files."""

import argparse
from pathlib import Path

from dlkm.cli.recipe_lint import add_release_flag
from dlkm.core.errors import ExitStatus
from dlkm.report.terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    parser.add_argument("name", metavar="NAME", help="what the driver is called; its directory is made here")
    parser.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="make it in this directory")
    parser.add_argument("--force", action="store_true", help="write over files that are there")
    add_release_flag(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write source, Makefile, COPYING and recipe, and name them."""
    from dlkm.cli.recipe_new import answer
    from dlkm.yocto.new import driver_named

    draft = driver_named(arguments.name, arguments.output, arguments.yocto)
    answer(draft.write(force=arguments.force), arguments, terminal)
    return ExitStatus.OK
