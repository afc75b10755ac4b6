# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm recipe new`: a recipe for a driver's directory."""

import argparse
from pathlib import Path

from dlkm.cli.recipe_lint import add_release_flag
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """The action's own arguments."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="a driver: a directory with a Makefile or Kbuild")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the recipe to write; DIR/NAME_VERSION.bb when not given"
    )
    parser.add_argument("--licence", metavar="SPDX", help="LICENSE, when the sources do not tell")
    parser.add_argument("--version", metavar="VERSION", help="PV, when it is not MODULE_VERSION")
    parser.add_argument("--autoload", action="store_true", help="load its modules at each boot")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    add_release_flag(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write the recipe and name it."""
    from dlkm.yocto.new import Wishes, recipe_for

    directory: Path = arguments.directory
    if not directory.exists():
        raise UsageError(f"there is no {directory}", hint=f"dlkm new {directory} makes a driver with its recipe")
    wishes = Wishes(
        release=arguments.yocto, licence=arguments.licence, version=arguments.version, autoload=arguments.autoload
    )
    draft = recipe_for(directory, arguments.output, wishes)
    answer(draft.write(force=arguments.force), arguments, terminal)
    return ExitStatus.OK


def answer(paths: tuple[Path, ...], arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Name the files that were written."""
    from dlkm.report.document import document

    if arguments.json:
        terminal.document(document("new", files=paths))
    else:
        for path in paths:
            terminal.print(str(path))
