# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan's cells as a table for people and as dlkm.matrix/1."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlkm.matrix.declaration import Step
from dlkm.matrix.plan import CellSettings, Expected, Plan, PlannedCell, RunSetting, Stated
from dlkm.report.build import near
from dlkm.report.document import document, plain
from dlkm.report.terminal import Style, Terminal, printable


def matrix_document(plan: Plan, project: Path | None, settings: Sequence[RunSetting]) -> dict[str, Any]:
    """dlkm.matrix/1; every setting says where it comes from. `project` is the project file, if there is one."""
    cells = [_cell(cell) for cell in plan.cells]
    run = {one.name: {"value": one.value, "from": one.where} for one in settings}
    return document("matrix", project=project, settings=run, cells=cells, left_out=plan.left_out)


def _cell(cell: PlannedCell) -> dict[str, Any]:
    return {
        "id": cell.id,
        "source": str(cell.source.path),
        "kernel": cell.kernel.id,
        "arch": cell.kernel.arch.name,
        "variables": {name: _stated(stated) for name, stated in cell.settings.variables.items()},
        "targets": None if cell.settings.targets is None else _stated(cell.settings.targets),
        "expected_failures": {step.value: _expected(one) for step, one in cell.failures.items()},
        "tests": [test.name for test in cell.tests],
    }


def _stated(stated: "Stated[Any]") -> dict[str, Any]:
    return {"value": plain(stated.value), "from": stated.where}


def _expected(one: Expected) -> dict[str, Any]:
    return {"reason": one.reason, "strict": one.strict, "from": one.where}


def show_matrix(plan: Plan, settings: Sequence[RunSetting], terminal: Terminal, *, verbose: bool = False) -> None:
    """A row a cell; `verbose`: what holds for all and for each, who said so, and what was left out."""
    if verbose:
        for one in settings:
            terminal.print(printable(f"{one.name} {one.value}  ({one.where})"))
        for cell in plan.cells:
            terminal.print(terminal.styled(cell.id, Style.STRONG))
            for line in _lines(cell):
                terminal.print(f"  {printable(line)}")
        for left in plan.left_out:
            terminal.print(f"{left.id}: left out by {printable(left.why)}")
    else:
        terminal.table(("CELL", "SOURCE", "ARCH", "NOTE"), [_row(cell) for cell in plan.cells])
    rest = f", {len(plan.left_out)} left out" if plan.left_out else ""
    terminal.print(f"{len(plan.cells)} cells{rest}")


def _row(cell: PlannedCell) -> tuple[str, ...]:
    notes = [f"expected to fail ({step}): {one.reason}" for step, one in cell.failures.items()]
    notes += [f"tests: {', '.join(test.name for test in cell.tests)}"] if cell.tests else []
    return cell.id, printable(near(cell.source.path)), cell.kernel.arch.name, printable("; ".join(notes))


def _lines(cell: PlannedCell) -> Iterator[str]:
    yield f"source  {cell.source.path}"
    yield f"kernel  {cell.kernel.id}, {cell.kernel.arch.name}, from {cell.kernel.origin}"
    yield from _settings(cell.settings)
    for step in Step:
        if step in cell.failures:
            one = cell.failures[step]
            yield f"expected to fail ({step}): {one.reason}  ({one.where})"
    for test in cell.tests:
        yield f"test {test.name}"


def _settings(settings: CellSettings) -> Iterator[str]:
    for name, stated in settings.variables.items():
        yield f"{name}={stated.value}  ({stated.where})"
    if settings.targets is not None:
        yield f"targets {' '.join(settings.targets.value)}  ({settings.targets.where})"
