# SPDX-License-Identifier: GPL-2.0-or-later
"""FILE|BUILD|SOURCE of a command line: which of them each path is, and the cells it brings. Reads no module."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.core.errors import UsageError
from dlkm.kernel.demand import complete_for
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from dlkm.build.cells import Attempt
    from dlkm.build.result import Cell
    from dlkm.core.processes import Foreman
    from dlkm.kernel.kernel import Kernel
    from dlkm.source.driver import Driver

INPUTS = (
    "a .ko; a source, which is built; or the output of a build: its directory, its build.json, or a directory of them "
    "that is no source itself"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One path: a SOURCE with a `driver` or as a `recipe`, a BUILD or several with `builds`, else a FILE."""

    path: Path
    builds: tuple[Path, ...] = ()
    driver: "Driver | None" = None
    recipe: bool = False

    @property
    def is_source(self) -> bool:
        """Whether it has to be built first."""
        return self.driver is not None or self.recipe

    @property
    def is_file(self) -> bool:
        """Whether it is a module's file itself."""
        return not self.is_source and not self.builds


def sort_out(paths: Sequence[Path], subdir: str = "") -> tuple[Input, ...]:
    """What each path is; a SOURCE that is named twice comes once. UsageError for a directory that is nothing.

    A directory that is a SOURCE is one whatever lies below it: builds made earlier may be older than the source.
    """
    complete_for(paths)
    found = [_recognised(path, subdir) for path in paths]
    apart = distinct(item.driver for item in found if item.driver is not None)
    named = (item if item.driver is None else replace(item, driver=apart.get(item.driver.path)) for item in found)
    return tuple({item.driver.path if item.driver else item.path: item for item in named}.values())


def distinct(drivers: "Iterable[Driver]") -> "dict[Path, Driver]":
    """Each driver once, by its path, with names that differ: the names of their output directories come from these."""
    from dlkm.source.driver import told_apart

    return {driver.path: driver for driver in told_apart(list({one.path: one for one in drivers}.values()))}


def cells_of(
    item: Input, kernels: "Sequence[Kernel]", arguments: argparse.Namespace, terminal: Terminal, runner: "Foreman"
) -> "Iterator[Cell]":
    """The builds of a path as they were recorded, or its SOURCE built for each kernel; none for a FILE."""
    yield from all_cells_of([item], kernels, arguments, terminal, runner)


def all_cells_of(
    items: Sequence[Input],
    kernels: "Sequence[Kernel]",
    arguments: argparse.Namespace,
    terminal: Terminal,
    runner: "Foreman",
) -> "Iterator[Cell]":
    """The same for several paths: their SOURCEs are built in one run, with output directories that differ."""
    from dlkm.build.record import read_build

    sources = [item for item in items if item.is_source]
    if sources and not kernels:
        what = f"{sources[0].path} is a source: which kernel is it to be built for?"
        raise UsageError(what, hint="name it: -k KERNEL")
    for attempt in _built(sources, kernels, arguments, terminal, runner) if sources else ():
        if attempt.error is not None:
            raise attempt.error
        yield attempt.cell
    yield from (read_build(one) for item in items for one in item.builds)


def _built(
    items: Sequence[Input],
    kernels: "Sequence[Kernel]",
    arguments: argparse.Namespace,
    terminal: Terminal,
    runner: "Foreman",
) -> "Iterator[Attempt]":
    from dlkm.build.job import open_workshop
    from dlkm.cli.build import flags_of, options_of, run_plan_with
    from dlkm.matrix.declaration import SourceTable
    from dlkm.matrix.plan import PlannedKernel, plan
    from dlkm.matrix.sources import find_sources

    tables = [
        SourceTable(
            path=str(item.path),
            name=item.driver.name if item.driver is not None and len(items) == 1 else None,
            subdir=arguments.subdir,
        )
        for item in items
    ]
    made = plan(find_sources(tables), [PlannedKernel(kernel=kernel) for kernel in kernels], flags_of(arguments))
    options = options_of(arguments)
    yield from run_plan_with(
        open_workshop(options, runner, terminal.events), made, arguments.output or Path("out"), arguments
    )


def _recognised(path: Path, subdir: str) -> Input:
    from dlkm.build.record import is_build
    from dlkm.source.driver import find

    if not path.is_dir():
        if path.suffix == ".bb":
            return Input(path=path, recipe=True)
        return Input(path=path, builds=(path,) if is_build(path) else ())
    try:
        return Input(path=path, driver=find(path, subdir))
    except UsageError:
        builds = (path,) if is_build(path) else tuple(sorted(one for one in path.iterdir() if is_build(one)))
        if not builds:
            raise
        return Input(path=path, builds=builds)
