# SPDX-License-Identifier: GPL-2.0-or-later
"""Explanations as text for people and as dlkm.explain/1."""

from collections.abc import Sequence
from typing import Any

from dlkm.report.document import document
from dlkm.report.terminal import Style, Terminal, printable
from dlkm.verdict.explain import Message
from dlkm.verdict.verdict import Verdict

_ALSO = 4  # further lines of one cause, and lines nothing is known of, that are shown


def explain_document(messages: Sequence[Message], verdict: Verdict | None = None) -> dict[str, Any]:
    """dlkm.explain/1."""
    return document("explain", messages=messages, verdict=verdict)


def show(messages: Sequence[Message], terminal: Terminal, *, everything: bool = False) -> None:
    """Each cause with its lines, how to make sure and what to do; then the lines nothing is known of."""
    known = [message for message in messages if message.rule is not None]
    for number, message in enumerate(known):
        if number:
            terminal.print()
        _show_one(message, terminal, everything=everything)
    unknown = [message.line for message in messages if message.rule is None]
    if unknown:
        _show_unknown(unknown, terminal, after=bool(known), everything=everything)


def _show_one(message: Message, terminal: Terminal, *, everything: bool) -> None:
    for line in _some((message.line, *message.also), "lines", everything=everything):
        terminal.print(terminal.styled(printable(line), Style.STRONG))
    word = "means" if message.notice else "cause"
    terminal.print(f"  {word}: {printable(message.cause)}")
    if message.agrees is not None:
        style = Style.GOOD if message.agrees else Style.DOUBTFUL
        answer = "the verdict agrees" if message.agrees else "the verdict differs"
        here = f": {printable(message.here)}" if message.here else ""
        terminal.print(f"  {terminal.styled(answer, style)}{here}")
    elif message.here:
        terminal.print(f"  note: {printable(message.here)}")
    for head, steps in (("check", message.check), ("fix", message.fix)):
        for number, step in enumerate(steps):
            terminal.print(f"  {head + ':' if not number else ' ' * (len(head) + 1)} {printable(step)}")


def _show_unknown(lines: Sequence[str], terminal: Terminal, *, after: bool, everything: bool) -> None:
    if after:
        terminal.print()
    terminal.print("dlkm knows no such message:")
    for line in _some(lines, "lines", everything=everything):
        terminal.print(f"  {printable(line)}")


def _some(lines: Sequence[str], what: str, *, everything: bool) -> Sequence[str]:
    if everything or len(lines) <= _ALSO + 1:
        return lines
    return [*lines[:_ALSO], f"… and {len(lines) - _ALSO} more {what} (-v shows all)"]
