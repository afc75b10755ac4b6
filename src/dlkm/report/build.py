# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows what builds gave: a document, or for people the modules' paths, a table of cells and the reasons."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlkm.build.result import BuildOutcome, Cell
from dlkm.report.document import document
from dlkm.report.terminal import Style, Terminal

_STYLES = {BuildOutcome.BUILT: Style.GOOD, BuildOutcome.FAILED: Style.BAD, BuildOutcome.SKIPPED: Style.DOUBTFUL}


def build_document(cells: Sequence[Cell]) -> dict[str, Any]:
    """The document dlkm.build/1."""
    return document("build", cells=tuple(cells))


def show_builds(cells: Sequence[Cell], terminal: Terminal) -> None:
    """One cell: its modules, or why there are none. Several: a table first."""
    if len(cells) > 1:
        terminal.table(("CELL", "OUTCOME", "MODULES", "SECONDS"), [_row(cell, terminal) for cell in cells])
    for cell in cells:
        if cell.outcome is BuildOutcome.BUILT:
            for module in cell.modules:
                terminal.print(_near(module.path))
        else:
            _show_reason(cell, terminal)


def _row(cell: Cell, terminal: Terminal) -> tuple[str, ...]:
    outcome = terminal.styled(cell.outcome.value, _STYLES[cell.outcome])
    return cell.id, outcome, str(len(cell.modules)), f"{cell.seconds:.1f}"


def _show_reason(cell: Cell, terminal: Terminal) -> None:
    terminal.print(f"{cell.id}: {terminal.styled(cell.outcome.value, _STYLES[cell.outcome])}: {cell.reason}")
    if cell.log is not None:
        terminal.print(f"  (the whole log: {_near(cell.log)})")


def _near(path: Path) -> str:
    """The path as seen from here, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
