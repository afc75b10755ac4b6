# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm build`: drivers for kernels, each cell in its own directory of the output."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.common import add_kernel_flag, add_output_flag, source_date_epoch
from dlkm.cli.project import add_cell_flags, project_of
from dlkm.cli.recipes import add_recipe_flags, recipe_options_of
from dlkm.cli.remote import add_remote_flags, remote_options_of
from dlkm.core.errors import UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlkm.build.cells import Attempt
    from dlkm.build.options import BuildOptions
    from dlkm.build.work import Workshop
    from dlkm.cli.project import Project
    from dlkm.kernel.image_record import ImageRecord
    from dlkm.kernel.kernel import Kernel
    from dlkm.matrix.outcome import Result
    from dlkm.matrix.plan import Flags, Plan


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    add = parser.add_argument
    what = "a driver's directory or a .bb recipe (default: what dlkm.toml here says, or else the driver here)"
    add("sources", nargs="*", type=Path, metavar="SOURCE", help=what)
    add_kernel_flag(parser, required=False)
    add_output_flag(parser, project=True)
    add_cell_flags(parser)
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
    add_remote_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Find the cells, build every one, show."""
    from concurrent.futures import ThreadPoolExecutor
    from importlib import import_module

    from dlkm.build.job import open_workshop
    from dlkm.core.processes import Processes
    from dlkm.kernel.image_record import recorded

    options = options_of(arguments)
    with ThreadPoolExecutor(max_workers=1) as beside:
        # Trying out the sandbox takes a while in which the kernels can be looked up.
        opening = beside.submit(open_workshop, options, Processes(), terminal.events)
        project = project_of(arguments, arguments.sources, terminal)
        workshop = opening.result()
        kernels = [kernel for kernel in project.kernels if kernel.symvers is not None]
        images = [beside.submit(recorded, kernel) for kernel in kernels]
        beside.submit(import_module, "dlkm.report.build")  # while make runs
        attempts = list(run_plan_with(workshop, project.plan, project.output, arguments))
        _warn_of_stale(kernels, [image.result() for image in images], terminal)
    from dlkm.matrix.outcome import results_of, status_of
    from dlkm.report.build import build_document, show_builds

    terminal.close()
    results = results_of(attempts, project.plan.cells)
    if arguments.json:
        terminal.document(build_document(results))
    else:
        show_builds(results, terminal)
    say_errors(attempts, terminal)
    return status_of(results)


def _warn_of_stale(kernels: "Sequence[Kernel]", images: "Sequence[ImageRecord | None]", terminal: Terminal) -> None:
    """Say of which kernels the image exports other versions than the Module.symvers that modules were built with."""
    for kernel, image in zip(kernels, images, strict=True):
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

    epoch = source_date_epoch()
    return BuildOptions(
        variables=tuple(_variable(text) for text in arguments.variables),
        targets=tuple(_goal(text) for text in arguments.targets),
        sandbox=not arguments.no_sandbox,
        jobs=arguments.jobs,
        epoch=EPOCH if epoch is None else epoch,
        cache=not arguments.no_cache,
        remote=remote_options_of(arguments),
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


def flags_of(arguments: argparse.Namespace) -> "Flags":
    """What the flags say of cells."""
    from dlkm.matrix.plan import Flags

    options = options_of(arguments)
    return Flags(
        variables=dict(options.variables),
        targets=options.targets,
        only=tuple(getattr(arguments, "only", ())),
        skip=tuple(getattr(arguments, "skip", ())),
    )


def run_plan_with(
    workshop: "Workshop", plan: "Plan", output: Path, arguments: argparse.Namespace
) -> "Iterator[Attempt]":
    """Build every cell of a plan, in the way that the flags ask for."""
    from dlkm.matrix.run import run_plan

    recipes = any(cell.source.driver is None for cell in plan.cells)
    reading = recipe_options_of(arguments) if recipes else None
    return run_plan(workshop, plan.cells, (options_of(arguments), reading), output)


def build_project(project: "Project", arguments: argparse.Namespace, terminal: Terminal) -> "tuple[Result, ...]":
    """Build the cells for a verb that goes on with what they bring; warns of those that were to fail and did not."""
    from dlkm.build.job import open_workshop
    from dlkm.core.processes import Processes
    from dlkm.matrix.outcome import Standing, results_of

    workshop = open_workshop(options_of(arguments), Processes(), terminal.events)
    attempts = run_plan_with(workshop, project.plan, project.output, arguments)
    results = results_of(attempts, project.plan.cells)
    for result in results:
        if result.standing is Standing.SURPRISING and result.expected is not None:
            expected = f"{result.expected.where} says that it fails: {result.expected.reason}"
            terminal.events.warning(f"{result.attempt.cell.id} was built, but {expected}")
    return results


def say_errors(attempts: "Sequence[Attempt]", terminal: Terminal) -> None:
    """Why cells could not even be tried, each reason once."""
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    for error in {error.what: error for error in errors}.values():
        terminal.error(error)
