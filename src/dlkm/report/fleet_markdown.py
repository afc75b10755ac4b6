# SPDX-License-Identifier: GPL-2.0-or-later
"""Which driver runs on which kernel, as Markdown for a README."""

import re
from collections.abc import Iterator

from dlkm.matrix.fleet import Fleet, State
from dlkm.report.fleet import MEANINGS, needs_words, summary, text_of, words_of

_MARKS = {
    State.PROVEN: "✅",
    State.LOADS: "☑️",
    State.BUILT: "🔨",
    State.UNSURE: "❔",
    State.UNKNOWN: "",
    State.SKIPPED: "⏭️",
    State.KNOWN: "⚠️",
    State.BUILD_FAILS: "❌",
    State.LOAD_FAILS: "❌",
    State.TEST_FAILS: "❌",
}
_LINES = 3  # of what is said of one cell; a README is no log


def fleet_markdown(fleet: Fleet) -> str:
    """A table, what its words mean, and why some cells are not as they should be."""
    return "".join(f"{line}\n" for line in _lines(fleet))


def _lines(fleet: Fleet) -> Iterator[str]:
    yield "| driver | " + " | ".join(_code(kernel) for kernel in fleet.kernels) + " |"
    yield "|---|" + "---|" * len(fleet.kernels)
    for source in fleet.sources:
        yield f"| {_code(source)} | " + " | ".join(_cell(fleet, source, kernel) for kernel in fleet.kernels) + " |"
    yield ""
    yield f"{summary(fleet)}."
    yield ""
    for state in State:
        if fleet.count(state):
            yield f"- {_marked(state)}: {MEANINGS[state]}"
    doubtful = [cell for cell in fleet.cells.values() if needs_words(cell)]
    if doubtful:
        yield ""
    for cell in doubtful:
        words = list(words_of(cell))[:_LINES]
        yield f"- {_code(cell.id)}, {text_of(cell)}: " + "; ".join(map(_code, words))


def _cell(fleet: Fleet, source: str, kernel: str) -> str:
    cell = fleet.cells.get((source, kernel))
    if cell is None:
        return "-"
    return f"{_MARKS[cell.state]} {_escaped(text_of(cell))}".strip()


def _marked(state: State) -> str:
    return f"{_MARKS[state]} **{state}**".strip()


def _escaped(text: str) -> str:
    """Text that stays itself in a table's cell."""
    return re.sub(r"([\\`*_{}\[\]<>|])", r"\\\1", text)


def _code(text: str) -> str:
    """A code span, whatever is in it (CommonMark 6.1); a bar must not end a cell of a table."""
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text.replace('|', chr(92) + '|')}{pad}{ticks}"
