# SPDX-License-Identifier: GPL-2.0-or-later
"""A recipe's text as BitBake's statements that know their lines. Expands, evaluates and judges nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

# The shapes of bb/parse/parse_py: ConfHandler (assignments) and BBHandler (functions, tasks, inherit).
_NAME = r"[A-Za-z0-9\-_+.${}/~:]+"
_ASSIGNMENT = re.compile(
    rf"(?P<before>(?:export\s+)?)(?P<name>{_NAME}?)(?:\[(?P<flag>[^\]\s]+)\])?\s*"
    r"(?P<operator>:=|\?\?=|\?=|\+=|=\+|=\.|\.=|=)\s*(?P<quote>[\"'])(?P<value>.*)(?P=quote)$",
    re.DOTALL,
)
_FUNCTION = re.compile(
    r"(?P<before>(?:(?:python(?=[\s(])|fakeroot(?=\s))\s*)*)(?P<name>[\w.\-+{}$:]+)?\s*\(\s*\)\s*\{$"
)
_DEFINITION = re.compile(r"(?P<before>def\s+)(?P<name>\w+).*:")
_UNSET = re.compile(rf"(?P<before>(?:unset|export)\s+)(?P<name>{_NAME}?)(?:\[(?P<flag>[^\]]+)\])?$")
_DIRECTIVE = re.compile(
    r"(?P<before>)(?P<name>inherit|inherit_defer|require|include|include_all|addtask|deltask|addhandler"
    r"|EXPORT_FUNCTIONS|addpylib|addfragments)\s+(?P<value>.+)$",
    re.DOTALL,
)


class Kind(StrEnum):
    """What a statement is."""

    ASSIGNMENT = "assignment"
    SHELL = "shell"  # name() { … }
    PYTHON = "python"  # python name() { … }, anonymous ones have the name ""
    DEFINITION = "definition"  # def name(…): …
    UNSET = "unset"  # or `export` of a variable that is set elsewhere
    DIRECTIVE = "directive"  # inherit, require, addtask …; `name` is the word, `value` the rest
    COMMENT = "comment"
    BLANK = "blank"
    OTHER = "other"  # nothing that BitBake takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. `lines` are its physical lines without line ends, the first is number `line` (from 1).

    `name` starts at column `column` of the first line. `head` counts the lines before a function's body.
    """

    kind: Kind
    line: int
    lines: tuple[str, ...]
    name: str = ""
    column: int = 0
    flag: str = ""
    operator: str = ""
    value: str = ""
    head: int = 1

    @property
    def last(self) -> int:
        """The number of its last line."""
        return self.line + len(self.lines) - 1

    @property
    def body(self) -> tuple[str, ...]:
        """A function's lines between its head and its end."""
        braced = self.kind in {Kind.SHELL, Kind.PYTHON} and self.lines[-1].rstrip() == "}"
        return self.lines[self.head : len(self.lines) - braced]


def read_statements(text: str) -> tuple[Statement, ...]:
    """All statements of a recipe, an include file or a class, in order; together they hold every line."""
    lines = text.split("\n")
    return tuple(_statements(lines))


def _statements(lines: list[str]) -> Iterator[Statement]:
    start = 0
    while start < len(lines):
        count = _logical(lines, start)
        statement = _statement(lines, start, count)
        start += len(statement.lines)
        yield statement


def _logical(lines: list[str], start: int) -> int:
    """How many physical lines the logical line from `start` has."""
    count = 1
    while start + count < len(lines) and lines[start + count - 1].rstrip().endswith("\\"):
        count += 1
    return count


def _statement(lines: list[str], start: int, count: int) -> Statement:
    own = lines[start : start + count]
    text = "".join(line.rstrip().removesuffix("\\") for line in own)
    line = start + 1
    if not text.strip():
        return Statement(kind=Kind.BLANK, line=line, lines=tuple(own))
    if text.startswith("#"):
        return Statement(kind=Kind.COMMENT, line=line, lines=tuple(own))
    if match := _FUNCTION.match(text):
        kind = Kind.PYTHON if "python" in match["before"] else Kind.SHELL
        return _named(kind, match, line, *_to_brace(lines, start, count))
    if match := _DEFINITION.match(text):
        return _named(Kind.DEFINITION, match, line, *_indented(lines, start, count))
    for kind, shape in ((Kind.DIRECTIVE, _DIRECTIVE), (Kind.ASSIGNMENT, _ASSIGNMENT), (Kind.UNSET, _UNSET)):
        if match := shape.match(text):
            return _named(kind, match, line, own, count)
    return Statement(kind=Kind.OTHER, line=line, lines=tuple(own), value=text)


def _named(kind: Kind, match: re.Match[str], line: int, own: list[str], head: int) -> Statement:
    found = match.groupdict()
    return Statement(
        kind=kind,
        line=line,
        lines=tuple(own),
        name=found["name"] or "",
        column=len(found["before"]),
        flag=found.get("flag") or "",
        operator=found.get("operator") or "",
        value=found.get("value") or "",
        head=head,
    )


def _to_brace(lines: list[str], start: int, count: int) -> tuple[list[str], int]:
    """The lines up to a '}' that stands alone at the margin; to the end of the text when there is none."""
    for number in range(start + count, len(lines)):
        if lines[number].rstrip() == "}":
            return lines[start : number + 1], count
    return lines[start:], count


def _indented(lines: list[str], start: int, count: int) -> tuple[list[str], int]:
    """The lines of a `def`: indented, empty, or comments."""
    end = start + count
    while end < len(lines) and (not lines[end].strip() or lines[end][0] in " \t#"):
        end += 1
    return lines[start:end], count
