# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows recipes as they were read: values and where each was set, as text and as dlkm.recipe/1."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlkm.report.document import document
from dlkm.report.terminal import Style, Terminal, printable
from dlkm.yocto.evaluation import Assignment, Evaluation

_LONGEST = 100  # characters of a line's text that are shown beside its place


def recipe_document(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """dlkm.recipe/1: of one recipe its own fields, of several `recipes` with the same fields each."""
    tables = [_table(one) for one in evaluations]
    return document("recipe", **tables[0]) if len(tables) == 1 else document("recipe", recipes=tables)


def _table(one: Evaluation) -> dict[str, Any]:
    return {
        "recipe": one.recipe.path,
        "name": one.name,
        "variables": dict(one.variables),
        "tasks": {task: one.bodies.get(task, "") for task in one.tasks},
        "inherits": one.inherits,
        "compatible": one.compatible and one.error is None,
        "why": one.why if one.error is None else one.error.what,
        "history": dict(one.history),
        "appends": one.recipe.appends,
        "warnings": one.warnings,
    }


def show_variable(one: Evaluation, name: str, terminal: Terminal) -> None:
    """The value alone."""
    terminal.print(one.variables.get(name) or "")


def show_recipes(evaluations: Sequence[Evaluation], terminal: Terminal) -> None:
    """Every variable after the lines that made it, then the tasks; of several recipes a line each."""
    if len(evaluations) == 1:
        _show(evaluations[0], terminal)
        return
    rows = [(one.name, one.facts.get("PV") or "", _compatible(one), _near(one.recipe.path)) for one in evaluations]
    terminal.table(("RECIPE", "VERSION", "COMPATIBLE", "FILE"), rows)


def _compatible(one: Evaluation) -> str:
    if one.error is not None:
        return "cannot be read"
    return "yes" if one.compatible else f"no: {one.why}"


def _show(one: Evaluation, terminal: Terminal) -> None:
    for name, value in one.variables.items():
        for assignment in one.history.get(name, ()):
            terminal.print(terminal.styled(printable(f"# {_line(assignment)}"), Style.FAINT))
        shown = "unset" if value is None else '"' + value.replace('"', '\\"') + '"'
        terminal.print(f"{terminal.styled(name, Style.STRONG)} = {_lines(shown)}")
    for task in one.tasks:
        terminal.print(f"{terminal.styled(task, Style.STRONG)}() {{")
        terminal.print(_lines(one.bodies.get(task, "")).rstrip())
        terminal.print("}")
    terminal.print()
    terminal.print(f"tasks: {' '.join(one.tasks)}")
    verdict = "compatible" if one.compatible else f"not compatible: {one.why}"
    terminal.print(terminal.styled(verdict, Style.GOOD if one.compatible else Style.DOUBTFUL))


def _lines(text: str) -> str:
    """A text of several lines as any terminal takes it."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def _line(assignment: Assignment) -> str:
    """`FILE:LINE: OPERATION [flag] "text"`, on one line."""
    flag = f" [{assignment.flag}]" if assignment.flag else ""
    text = " ".join(assignment.text.split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    place = f"{_near(Path(assignment.file))}:{assignment.line}" if assignment.file else "?"
    return f'{place}: {assignment.op}{flag} "{text}"'


def _near(path: Path) -> str:
    """The path as seen from here, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
