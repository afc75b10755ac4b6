# SPDX-License-Identifier: GPL-2.0-or-later
"""What the verbs share: the common flags and the terminal they make."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.report.terminal import Colour, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlkm.kernel.kernel import Kernel
    from dlkm.kernel.manifest import Manifest
    from dlkm.kernel.pool import Pool


def add_common_flags(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """`--json`, `-q`, `-v`, `-j`, `--color`; what a verb alone needs (`-o`, `-k`) it adds itself.

    `again`: for an action of a verb, which takes them too and leaves what was given before it as it is.
    """

    def default(value: object) -> object:
        return argparse.SUPPRESS if again else value

    group = parser.add_argument_group("common")
    group.add_argument(
        "--json", action="store_true", default=default(False), help="one versioned document on standard output"
    )
    group.add_argument(
        "-q", "--quiet", action="store_true", default=default(False), help="no progress, only errors and warnings"
    )
    group.add_argument("-v", "--verbose", action="store_true", default=default(False), help="say every step")
    group.add_argument(
        "-j", "--jobs", type=positive, default=default(os.cpu_count() or 1), metavar="N", help="how many at once"
    )
    group.add_argument(
        "--color",
        type=Colour,
        choices=list(Colour),
        default=default(Colour.AUTO),
        metavar="auto|always|never",
        help="when to colour; auto: on a terminal, unless NO_COLOR is set",
    )


def add_kernel_flag(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`-k KERNEL…`: ids, globs among the kernels present, or SPECs that are added on the way."""
    parser.add_argument(
        "-k",
        "--kernel",
        dest="kernels",
        action="append",
        default=[],
        required=required,
        metavar="KERNEL",
        help="an id, a glob, or a SPEC such as debian:6.1.0-56-amd64; may be given again",
    )
    add_locked_flag(parser)


def add_locked_flag(parser: argparse.ArgumentParser) -> None:
    """`--locked`, `--lock-file FILE`."""
    usual = Path("dlkm.lock")
    help_ = f"only kernels that {usual} pins, byte for byte"
    parser.add_argument("--locked", action="store_const", const=usual, help=help_)
    parser.add_argument("--lock-file", dest="locked", type=Path, metavar="FILE", help="the same with another lock file")


def add_output_flag(parser: argparse.ArgumentParser, *, project: bool = False) -> None:
    """`-o DIR`. `project`: where it is not given, a project file may say it (cli/project.py)."""
    default = None if project else Path("out")
    parser.add_argument(
        "-o", "--output", type=Path, default=default, metavar="DIR", help="where results go (default: out)"
    )


def source_date_epoch() -> int | None:
    """The time that the environment asks for in what is written, in seconds; None where it asks for none."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(text) if text.isascii() and text.isdigit() else None


def positive(text: str) -> int:
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def terminal_of(arguments: argparse.Namespace) -> Terminal:
    """The terminal that the common flags ask for."""
    return Terminal(colour=arguments.color, quiet=arguments.quiet, verbose=arguments.verbose)


def pool_to_add_to() -> "Pool":
    """The user's pool; what a kernel's own modules are is found when it is added, so that no check has to."""
    from dlkm.kernel.pool import Pool

    def look(kernel: "Kernel", made: Path, files: "Manifest") -> "Callable[[Kernel], None]":
        from dlkm.verdict.whole import look_at_whole

        return look_at_whole(kernel, made, files, os.cpu_count() or 1)

    return Pool(while_whole=look)


def kernels_of(arguments: argparse.Namespace, terminal: Terminal) -> "tuple[Kernel, ...]":
    """The kernels that `-k` names; SPECs are added to the pool on the way."""
    from dlkm.core.processes import Processes
    from dlkm.kernel.select import Given, resolve

    given = Given(lock=arguments.locked)
    return resolve(arguments.kernels, pool_to_add_to(), terminal.events, Processes(), given=given)
