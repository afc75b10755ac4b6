# SPDX-License-Identifier: GPL-2.0-or-later
"""Which driver runs on which kernel, as one HTML file that needs nothing else: no script, no font, no picture."""

from collections.abc import Iterator
from html import escape

from dlkm.core.data import data_text
from dlkm.core.processes import shell_line
from dlkm.matrix.fleet import CellState, Fleet, State
from dlkm.report.fleet import MEANINGS, needs_words, summary, text_of
from dlkm.report.terminal import printable

_TITLE = "Which driver runs on which kernel"
# Nothing may be loaded, whatever a log line says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def fleet_html(fleet: Fleet) -> str:
    """The whole page."""
    return "".join(f"{line}\n" for line in _lines(fleet))


def _lines(fleet: Fleet) -> Iterator[str]:
    style = data_text("fleet.css")
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_TITLE}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>"
    yield f"<h1>{_TITLE}</h1>\n<p>{escape(summary(fleet))}.</p>"
    yield from _legend(fleet)
    yield from _table(fleet)
    yield from _details(fleet)
    yield "</main>\n</body>\n</html>"


def _legend(fleet: Fleet) -> Iterator[str]:
    yield '<ul class="legend">'
    for state in State:
        if fleet.count(state):
            yield f'<li><span class="{_class(state)}">{state}</span> {escape(MEANINGS[state])}</li>'
    yield "</ul>"


def _table(fleet: Fleet) -> Iterator[str]:
    yield f'<div class="wide" role="region" aria-label="{_TITLE}" tabindex="0">'
    yield f'<table>\n<caption>{_TITLE}</caption>\n<thead>\n<tr><th scope="col">driver</th>'
    yield "".join(f'<th scope="col" class="kernel">{escape(kernel)}</th>' for kernel in fleet.kernels)
    yield "</tr>\n</thead>\n<tbody>"
    for source in fleet.sources:
        cells = "".join(_cell(fleet.cells.get((source, kernel))) for kernel in fleet.kernels)
        yield f'<tr><th scope="row">{escape(source)}</th>{cells}</tr>'
    yield "</tbody>\n</table>\n</div>"


def _cell(cell: CellState | None) -> str:
    if cell is None:
        return '<td class="not-built">left out</td>'
    text = escape(text_of(cell))
    shown = f'<a href="#{_anchor(cell)}">{text}</a>' if needs_words(cell) else text
    return f'<td class="{_class(cell.state)}">{shown}</td>'


def _details(fleet: Fleet) -> Iterator[str]:
    doubtful = [cell for cell in fleet.cells.values() if needs_words(cell)]
    if doubtful:
        yield "<h2>What needs a closer look</h2>"
    for cell in doubtful:
        yield f'<section id="{_anchor(cell)}">\n<h3>{escape(cell.id)}</h3>'
        yield f'<p><span class="{_class(cell.state)}">{escape(text_of(cell))}</span></p>'
        if cell.why:
            yield f"<pre>{escape(chr(10).join(map(printable, cell.why)))}</pre>"
        yield from (f"<p>{escape(printable(note))}</p>" for note in cell.notes)
        if cell.log is not None and not cell.when:
            yield f"<p>The whole log: <code>{escape(printable(str(cell.log)))}</code></p>"
        if cell.command:
            command, when = escape(printable(shell_line(cell.command))), escape(cell.when)
            moment = f', <time datetime="{when}">{when}</time>' if when else ""
            yield f"<p>Found out by <code>{command}</code>{moment}</p>"
        yield "</section>"


def _class(state: State) -> str:
    return state.value.replace(" ", "-")


def _anchor(cell: CellState) -> str:
    """An id that holds no blank and can stand in a link."""
    return "".join(letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}" for letter in cell.id)
