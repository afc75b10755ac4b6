# SPDX-License-Identifier: GPL-2.0-or-later
"""Which driver runs on which kernel, for terminals and as a part of dlkm.matrix/1."""

import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from dlkm.core.processes import shell_line
from dlkm.matrix.fleet import CellState, Fleet, State
from dlkm.report.document import plain
from dlkm.report.terminal import Style, Terminal, printable

STYLES = {
    State.PROVEN: Style.GOOD,
    State.LOADS: Style.GOOD,
    State.BUILT: Style.GOOD,
    State.UNSURE: Style.DOUBTFUL,
    State.UNKNOWN: Style.FAINT,
    State.SKIPPED: Style.DOUBTFUL,
    State.KNOWN: Style.DOUBTFUL,
    State.BUILD_FAILS: Style.BAD,
    State.LOAD_FAILS: Style.BAD,
    State.TEST_FAILS: Style.BAD,
}
MEANINGS = {
    State.PROVEN: "loaded in the booted kernel, and the driver's own tests passed there",
    State.LOADS: "built, and predicted to load",
    State.BUILT: "built; nobody asked yet whether it loads",
    State.UNSURE: "built; files do not tell whether it loads",
    State.UNKNOWN: "no build is recorded",
    State.SKIPPED: "the driver does not want that kernel",
    State.KNOWN: "fails, as the project expects",
    State.BUILD_FAILS: "no module comes out",
    State.LOAD_FAILS: "built, and the kernel refuses it",
    State.TEST_FAILS: "loads, and one of the driver's own tests fails",
}
_DETAILED = 40  # cells that are explained unless all are asked for


def fleet_part(fleet: Fleet) -> dict[str, Any]:
    """What `--report` adds to dlkm.matrix/1: by cell id."""
    return {"states": {cell.id: plain(cell) for cell in fleet.cells.values()}}


def show_fleet(fleet: Fleet, terminal: Terminal, *, everything: bool = False) -> None:
    """A row a source, a column a kernel, as many tables as the screen asks for; then what needs words, then counts."""
    width = shutil.get_terminal_size().columns if terminal.out.isatty() else 0
    for number, kernels in enumerate(blocks(fleet, width)):
        if number:
            terminal.print()
        rows = [_row(fleet, source, kernels, terminal) for source in fleet.sources]
        terminal.table(["SOURCE", *kernels], rows)
    doubtful = [cell for cell in fleet.cells.values() if needs_words(cell)]
    for cell in doubtful if everything else doubtful[:_DETAILED]:
        _show_cell(cell, terminal)
    if len(doubtful) > _DETAILED and not everything:
        terminal.print(f"\n… and {len(doubtful) - _DETAILED} more that need words (-v shows all)")
    terminal.print(f"\n{summary(fleet)}")


def needs_words(cell: CellState) -> bool:
    """Whether the table alone does not say all that matters."""
    return bool(cell.notes) or not (cell.state.is_good or cell.state is State.UNKNOWN)


def blocks(fleet: Fleet, width: int) -> Iterator[Sequence[str]]:
    """The kernels in groups that fit beside the sources' names into so many columns; all at once for a width of 0."""
    if not width:
        yield fleet.kernels
        return
    room = width - max((len(source) for source in fleet.sources), default=0)
    group: list[str] = []
    used = 0
    for kernel in fleet.kernels:
        words = [text_of(fleet.cells[place]) for place in fleet.cells if place[1] == kernel]
        needed = 2 + max(map(len, [kernel, *words]))
        if group and used + needed > room:
            yield group
            group, used = [], 0
        group.append(kernel)
        used += needed
    if group:
        yield group


def _row(fleet: Fleet, source: str, kernels: Sequence[str], terminal: Terminal) -> list[str]:
    cells = (fleet.cells.get((source, kernel)) for kernel in kernels)
    return [source, *("-" if cell is None else terminal.styled(text_of(cell), STYLES[cell.state]) for cell in cells)]


def text_of(cell: CellState) -> str:
    """A cell in a table: its state, and the one word that matters most behind it."""
    detail = printable(cell.detail)
    return f"{cell.state}: {detail}" if detail and cell.state is not State.PROVEN else str(cell.state)


def _show_cell(cell: CellState, terminal: Terminal) -> None:
    terminal.print(f"\n{cell.id}: {terminal.styled(text_of(cell), STYLES[cell.state])}")
    for line in words_of(cell):
        terminal.print(f"  {line}")


def words_of(cell: CellState) -> Iterator[str]:
    """What is to be said of a cell, as any terminal takes it."""
    yield from map(printable, cell.why)
    yield from (f"note: {printable(note)}" for note in cell.notes)
    if cell.log is not None and not cell.when:
        yield f"log: {printable(str(cell.log))}"
    if cell.command:
        yield f"again: {printable(shell_line(cell.command))}" + (f"  ({cell.when})" if cell.when else "")


def summary(fleet: Fleet) -> str:
    """`2 drivers, 3 kernels, 6 cells: 5 proven, 1 build fails`."""
    counts = [f"{fleet.count(state)} {state}" for state in State if fleet.count(state)]
    size = f"{len(fleet.sources)} drivers, {len(fleet.kernels)} kernels, {len(fleet.cells)} cells"
    return f"{size}: {', '.join(counts)}"
