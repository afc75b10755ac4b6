# SPDX-License-Identifier: GPL-2.0-or-later
"""What verbs share that run many cells: their flags, and the plan that flags, SOURCEs and dlkm.toml make together."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.core.errors import UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from dlkm.kernel.kernel import Kernel
    from dlkm.matrix.plan import Plan, PlannedKernel
    from dlkm.matrix.reader import ProjectFile

PROJECT = "dlkm.toml"  # matrix/declaration.py, which takes a while to load


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A plan with where its results go; `file` None where the SOURCEs were named."""

    plan: "Plan"
    output: Path
    file: "ProjectFile | None"

    @property
    def kernels(self) -> "tuple[Kernel, ...]":
        """Those that a cell is for, each once."""
        return tuple({cell.kernel.id: cell.kernel for cell in self.plan.cells}.values())


def add_cell_flags(parser: argparse.ArgumentParser) -> None:
    """`--only`, `--skip`."""
    add = parser.add_argument_group("cells (SOURCE@KERNEL)").add_argument
    words = "a glob with {braces} over SOURCE@KERNEL, or one of the two; may be given again"
    add("--only", action="append", default=[], metavar="SELECTOR", help=f"only these cells: {words}")
    add("--skip", action="append", default=[], metavar="SELECTOR", help="not these cells")


def has_project() -> bool:
    """Whether the current directory has a project file: what a verb without SOURCE runs."""
    return Path(PROJECT).is_file()


def runs_project(arguments: argparse.Namespace, words: Sequence[object]) -> bool:
    """Whether a verb that takes files too is to run the project here. UsageError for selectors where it is not."""
    if not words and has_project():
        return True
    if arguments.only or arguments.skip:
        raise UsageError(
            f"--only and --skip choose among the cells of {PROJECT}",
            hint="here files are named" if words else f"there is no {PROJECT} here",
        )
    return False


def project_of(
    arguments: argparse.Namespace, sources: Sequence[Path], terminal: Terminal, *, unverified: bool = False
) -> Project:
    """The plan of a run: of the SOURCEs that are named, else of dlkm.toml here, else of the driver here.

    Flags win over the file. Sets what the file says where no flag does (`arguments.machine` …). `unverified`: kernels
    are only to be named. Errors as `find_sources`, `resolve`, `read_project` and `plan` raise them.
    """
    from dlkm.cli.build import flags_of
    from dlkm.matrix.declaration import SourceTable
    from dlkm.matrix.plan import plan
    from dlkm.matrix.reader import read_project
    from dlkm.matrix.sources import find_sources

    file = read_project(Path(PROJECT)) if not sources and has_project() else None
    if file is not None:
        if arguments.subdir:
            raise UsageError("--subdir needs a SOURCE", hint=f"in {PROJECT}, sources have a subdir of their own")
        _fill_in(arguments, file)
        found = find_sources(
            file.declared.sources, [file.where("sources", n) for n in range(len(file.declared.sources))]
        )
        if not found:
            raise UsageError(f"{PROJECT} names no source", hint='sources = ["DIR"]; see docs/how-to/matrix.md')
    else:
        named = [SourceTable(path=str(path), subdir=arguments.subdir) for path in sources or [Path()]]
        found = tuple(replace(one, entries=()) for one in find_sources(named))  # no file, no entries of one
    made = plan(found, _kernels(arguments, file, terminal, unverified=unverified), flags_of(arguments), file)
    for warning in made.warnings:
        terminal.events.warning(warning)
    output = arguments.output or Path(file.declared.output if file is not None else "out")
    return Project(plan=made, output=output, file=file)


def _kernels(
    arguments: argparse.Namespace, file: "ProjectFile | None", terminal: Terminal, *, unverified: bool
) -> "tuple[PlannedKernel, ...]":
    from dlkm.core.processes import Processes
    from dlkm.kernel.pool import Pool
    from dlkm.kernel.select import Given, resolve, resolve_each
    from dlkm.matrix.plan import PlannedKernel

    given = Given(lock=arguments.locked, unverified=unverified)
    pool, runner = Pool(), Processes()
    if arguments.kernels:
        found = resolve(arguments.kernels, pool, terminal.events, runner, given=given)
        return tuple(PlannedKernel(kernel=kernel) for kernel in found)
    words = [one.spec for one in file.declared.kernels] if file is not None else []
    if not words:
        raise UsageError("no kernel to build for", hint=f"name one: -k debian:RELEASE, or kernels = [...] in {PROJECT}")
    groups = resolve_each(words, pool, terminal.events, runner, given)
    kernels = {kernel.id: kernel for group in groups for kernel in group}
    return tuple(
        PlannedKernel(
            kernel=kernel,
            entries=tuple(number for number, group in enumerate(groups) if any(one.id == name for one in group)),
        )
        for name, kernel in kernels.items()
    )


def _fill_in(arguments: argparse.Namespace, file: "ProjectFile") -> None:
    """What the file says of recipes, where no flag does; lists of both are taken together."""
    told = file.declared.recipes
    for name in ("machine", "distro", "yocto", "source_mirror"):
        setattr(arguments, name, getattr(arguments, name) or getattr(told, name))
    arguments.offline = arguments.offline or told.offline
    arguments.layers = [*map(Path, told.layers), *arguments.layers]
    arguments.conf = [*map(Path, told.conf), *arguments.conf]
