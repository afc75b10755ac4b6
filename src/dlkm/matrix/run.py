# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the cells of a plan, drivers and recipes side by side. One that fails does not stop the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from dlkm.build.cells import Attempt, Wanted, Watcher, build_all, threads, untried
from dlkm.build.options import BuildOptions
from dlkm.build.work import Workshop
from dlkm.core.errors import DlkmError
from dlkm.matrix.course import course
from dlkm.matrix.plan import CellSettings, PlannedCell

if TYPE_CHECKING:
    from dlkm.yocto.options import RecipeOptions


def run_plan(
    workshop: Workshop,
    cells: Sequence[PlannedCell],
    how: "tuple[BuildOptions, RecipeOptions | None]",
    output: Path,
) -> Iterator[Attempt]:
    """Every cell's answer, in the order of the plan; those of recipes that others need besides come last.

    The settings of the cells take the place of the options' own variables and targets. How recipes are read is None
    where there are none.
    """
    options, _reading = how
    with_recipes = {cell.kernel.id for cell in cells if cell.source.driver is None}
    lines = [[cell for cell in cells if cell.kernel.id == kernel] for kernel in sorted(with_recipes)]
    with course(cells, workshop.width, workshop.events) as watcher, threads(workshop, 1 + len(lines)) as beside:
        # The recipes of a kernel are read and fetched before its drivers are put in order; all of them share the cores.
        started = [beside.submit(_line, workshop, group, how, output, watcher) for group in lines]
        wanted = [_wanted(cell, options) for cell in cells if cell.kernel.id not in with_recipes]
        attempts = list(build_all(workshop, wanted, output, watcher)) if wanted else []
        attempts += [attempt for line in started for attempt in line.result()]
    made = {attempt.cell.id: attempt for attempt in attempts}
    for cell in cells:
        yield made.pop(cell.id)
    yield from made.values()


def _wanted(cell: PlannedCell, options: BuildOptions) -> Wanted:
    assert cell.source.driver is not None
    return Wanted(driver=cell.source.driver, kernel=cell.kernel, options=with_settings(options, cell.settings))


def with_settings(options: BuildOptions, settings: CellSettings) -> BuildOptions:
    """The options of one cell."""
    return replace(
        options,
        variables=tuple((name, stated.value) for name, stated in settings.variables.items()),
        targets=settings.targets.value if settings.targets is not None else (),
    )


def _line(
    workshop: Workshop,
    cells: Sequence[PlannedCell],
    how: "tuple[BuildOptions, RecipeOptions | None]",
    output: Path,
    watcher: Watcher,
) -> list[Attempt]:
    """The recipes and drivers for one kernel; what keeps all recipes from being tried is each one's error."""
    from dlkm.yocto.batch import build_recipes
    from dlkm.yocto.layers import locate

    options, reading = how
    assert reading is not None
    drivers = [_wanted(cell, options) for cell in cells if cell.source.driver is not None]
    planned = [cell for cell in cells if cell.source.driver is None]
    try:
        recipes = [replace(locate(cell.source.path, reading.layers), label=cell.source.name) for cell in planned]
        same = all(cell.settings == planned[0].settings for cell in planned)
        forced = {name: value for cell in planned for name, value in forced_variables(cell, for_all=same).items()}
        reading = replace(reading, forced={**reading.forced, **forced})
        kernels = [planned[0].kernel]
        return list(build_recipes(workshop, recipes, kernels, (options, reading), output, watcher, drivers))
    except DlkmError as error:
        attempts = [untried(cell.id, cell.source.path, cell.kernel, error) for cell in planned]
        for attempt in attempts:
            watcher.end(attempt)
        return [*attempts, *build_all(workshop, drivers, output, watcher)]


def forced_variables(cell: PlannedCell, *, for_all: bool) -> Mapping[str, str]:
    """A cell's settings in a recipe's words: on make's command line, where recipes have EXTRA_OEMAKE.

    Unless they are for all recipes, and so for those that these need too, `pn-NAME` is BitBake's override for one.
    """
    only = "" if for_all else f":pn-{cell.source.called}"
    words = " ".join(quote(f"{name}={stated.value}") for name, stated in cell.settings.variables.items())
    forced = {f"EXTRA_OEMAKE:append{only}": f" {words}"} if words else {}
    if cell.settings.targets is not None:
        forced[f"MAKE_TARGETS{only or ':forcevariable'}"] = " ".join(cell.settings.targets.value)
    return forced
