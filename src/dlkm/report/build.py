# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows what builds gave: a document, or for people the modules' paths, the reasons and a table of cells."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlkm.build.result import Cell
from dlkm.matrix.outcome import Result, Standing
from dlkm.report.document import document, plain
from dlkm.report.terminal import Style, Terminal, printable

STYLES = {
    Standing.BUILT: Style.GOOD,
    Standing.FAILED: Style.BAD,
    Standing.SKIPPED: Style.DOUBTFUL,
    Standing.EXPECTED: Style.DOUBTFUL,
    Standing.SURPRISING: Style.BAD,
}


def build_document(results: Sequence[Result]) -> dict[str, Any]:
    """The document dlkm.build/1; `expected_failure` is the reason why a cell was to fail, null where it was not."""
    cells = [
        plain(result.attempt.cell)
        | {"expected_failure": result.expected.reason if result.expected is not None else None}
        for result in results
    ]
    return document("build", cells=cells)


def show_builds(results: Sequence[Result], terminal: Terminal) -> None:
    """One cell: its modules, or why there are none. Several: why some are not as they should be, then all in a table.

    What could not even be tried is an error, which is told elsewhere.
    """
    tried = [result for result in results if result.attempt.error is None]
    if len(results) == 1:
        for module in (module for result in tried for module in result.attempt.cell.modules):
            terminal.print(printable(near(module.path)))
    for result in tried:
        if result.standing is not Standing.BUILT:
            _show_reason(result, terminal)
    if len(results) > 1:
        terminal.table(("CELL", "OUTCOME", "MODULES", "SECONDS"), [_row(result, terminal) for result in results])
        terminal.print(counted(results))


def counted(results: Sequence[Result]) -> str:
    """`40 cells: 38 built (30 of them cached), 2 failed`."""
    counts = Counter(result.standing for result in results)
    cached = sum(result.attempt.cell.cached for result in results)
    words = [f"{counts[one]} {one}" for one in Standing if counts[one]]
    return f"{len(results)} cells: {'; '.join(words)}" + (f"; {cached} from the cache" if cached else "")


def _row(result: Result, terminal: Terminal) -> tuple[str, ...]:
    cell = result.attempt.cell
    outcome = terminal.styled(result.standing.value, STYLES[result.standing])
    seconds = "cached" if cell.cached else f"{cell.seconds:.1f}" if cell.seconds else ""
    return cell.id, outcome, str(len(cell.modules)), seconds


def _show_reason(result: Result, terminal: Terminal) -> None:
    cell, standing = result.attempt.cell, result.standing
    outcome = terminal.styled(standing.value, STYLES[standing])
    why = cell.reason if standing is not Standing.SURPRISING else "it was expected to fail"
    terminal.print(f"{cell.id}: {outcome}: {printable_lines(why)}")
    if result.expected is not None:
        terminal.print(f"  (expected by {result.expected.where}: {printable(result.expected.reason)})")
    if cell.error is not None and cell.error.shown not in cell.reason:
        terminal.print(f"  (the first error: {printable(cell.error.shown)})")
    if cell.log is not None and standing is not Standing.SURPRISING:
        terminal.print(f"  (the whole log: {printable(near(cell.log))})")


def printable_lines(text: str) -> str:
    """Text of several lines, each as any terminal takes it."""
    return "\n".join(map(printable, text.split("\n")))


def reason_of(cell: Cell) -> str:
    """Why a cell has no modules, in one line."""
    return cell.reason.split("\n", 1)[0]


def near(path: Path) -> str:
    """The path as seen from here, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
