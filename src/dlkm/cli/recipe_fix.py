# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm recipe fix`: today's spelling and what else is safe, as a diff or in place."""

import argparse
import stat
from pathlib import Path

from dlkm.cli.recipe_lint import add_release_flag
from dlkm.core.errors import ExitStatus
from dlkm.report.terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """The action's own arguments."""
    parser.add_argument("recipes", nargs="+", type=Path, metavar="FILE", help="a .bb, .bbappend or .inc")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--diff", action="store_true", help="show what would change, and change nothing (as without it)")
    how.add_argument("-i", "--write", action="store_true", help="write the files in place")
    add_release_flag(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Mend all, then show or write."""
    from dlkm.core.files import write_atomically
    from dlkm.report.recipe import difference, fix_document
    from dlkm.yocto.fix import mend

    mended = [mend(path, arguments.yocto) for path in arguments.recipes]
    for one in mended:
        if arguments.write and one.changed:
            place = one.path.resolve()
            write_atomically(place, one.after, stat.S_IMODE(place.stat().st_mode))
            terminal.events.info(f"{one.path}: mended")
        elif not arguments.write and not arguments.json:
            terminal.write(difference(one))
    if arguments.json:
        terminal.document(fix_document(mended, written=arguments.write))
    return ExitStatus.OK
