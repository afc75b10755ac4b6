# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm build`: drivers for kernels, each cell in its own directory of the output."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.common import add_kernel_flag, add_output_flag, kernels_of
from dlkm.cli.inputs import distinct
from dlkm.cli.recipes import add_recipe_flags, build_all_recipes
from dlkm.core.errors import UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlkm.build.cells import Attempt
    from dlkm.build.options import BuildOptions
    from dlkm.kernel.image_record import ImageRecord
    from dlkm.kernel.kernel import Kernel
    from dlkm.source.driver import Driver


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    add = parser.add_argument
    what = "a driver's directory or a .bb recipe (default: .)"
    add("sources", nargs="*", type=Path, default=[Path()], metavar="SOURCE", help=what)
    add_kernel_flag(parser)
    add_output_flag(parser)
    add_build_flags(parser)


def add_build_flags(parser: argparse.ArgumentParser) -> None:
    """What also the verbs take that build on the way."""
    add = parser.add_argument_group("building").add_argument
    add(
        "--var",
        dest="variables",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="on make's command line, where it wins over the Makefile; make expands $(KERNEL_SRC) in it",
    )
    add("--target", dest="targets", action="append", default=[], metavar="GOAL", help="instead of the default goal")
    add("--subdir", default="", metavar="DIR", help="where in SOURCE the Makefile lies")
    add("--no-sandbox", action="store_true", help="run make on this machine as it is; says what is lost")
    add("--no-cache", action="store_true", help="make everything anew, and keep nothing of it for the next time")
    add_recipe_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Find the drivers and kernels, build every cell, show."""
    from concurrent.futures import ThreadPoolExecutor

    from dlkm.build.cells import build_all, status_of
    from dlkm.build.job import open_workshop
    from dlkm.core.processes import Processes
    from dlkm.kernel.image_record import recorded
    from dlkm.report.build import build_document, show_builds

    options = options_of(arguments)
    drivers = _drivers(arguments)
    with ThreadPoolExecutor(max_workers=1) as beside:
        # Trying out the sandbox takes a while in which the kernels can be looked up.
        opening = beside.submit(open_workshop, options, Processes(), terminal.events)
        kernels = kernels_of(arguments, terminal)
        workshop = opening.result()
        images = [beside.submit(recorded, kernel) for kernel in kernels if kernel.symvers is not None]
        attempts = list(build_all(workshop, drivers, kernels, options, arguments.output)) if drivers else []
        attempts += build_all_recipes(workshop, _recipes(arguments), kernels, options, arguments)
        _warn_of_stale(kernels, [image.result() for image in images], terminal)
    terminal.close()
    cells = [attempt.cell for attempt in attempts]
    if arguments.json:
        terminal.document(build_document(cells))
    else:
        show_builds([attempt.cell for attempt in attempts if attempt.error is None], terminal)
    _say_errors(attempts, terminal)
    return status_of(attempts)


def _warn_of_stale(kernels: "Sequence[Kernel]", images: "Sequence[ImageRecord | None]", terminal: Terminal) -> None:
    """Say of which kernels the image exports other versions than the Module.symvers that modules were built with."""
    known = [kernel for kernel in kernels if kernel.symvers is not None]
    for kernel, image in zip(known, images, strict=True):
        if image is not None and image.stale is not None:
            stale = image.stale
            terminal.events.warning(
                f"{kernel.symvers} is not of {kernel.image}: {stale.differing} of {stale.compared} exports differ "
                f"({', '.join(stale.names[:4])}): what is built with it may be refused there; "
                "take headers and image of one build"
            )


def options_of(arguments: argparse.Namespace) -> "BuildOptions":
    """The build options that the flags ask for; UsageError for a --var that is no NAME=VALUE."""
    from dlkm.build.options import EPOCH, BuildOptions

    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return BuildOptions(
        variables=tuple(_variable(text) for text in arguments.variables),
        targets=tuple(_goal(text) for text in arguments.targets),
        sandbox=not arguments.no_sandbox,
        jobs=arguments.jobs,
        epoch=int(epoch) if epoch.isascii() and epoch.isdigit() else EPOCH,
        cache=not arguments.no_cache,
    )


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or any(letter.isspace() or letter in ":#=$-" for letter in name) or "\0" in value:
        raise UsageError(f"--var {text}: not of the form NAME=VALUE")
    return name, value


def _goal(text: str) -> str:
    """A goal, which make must not take for an option or a variable."""
    if not text or text.startswith("-") or "=" in text or any(letter.isspace() for letter in text):
        raise UsageError(f"--target {text}: not the name of a goal", hint="variables are given with --var NAME=VALUE")
    return text


def _drivers(arguments: argparse.Namespace) -> "tuple[Driver, ...]":
    from dlkm.source.driver import find

    sources = [source for source in arguments.sources if source not in _recipes(arguments)]
    return tuple(distinct(find(source, arguments.subdir) for source in sources).values())


def _recipes(arguments: argparse.Namespace) -> tuple[Path, ...]:
    return tuple(source for source in arguments.sources if source.suffix == ".bb" and not source.is_dir())


def _say_errors(attempts: "list[Attempt]", terminal: Terminal) -> None:
    for attempt in attempts:
        if attempt.error is not None:
            terminal.error(attempt.error)
