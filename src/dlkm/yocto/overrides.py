# SPDX-License-Identifier: GPL-2.0-or-later
"""The override syntax before Yocto 3.4 (`VAR_append`, `FILES_${PN}`) rewritten as today's, line for line.

BitBake from 1.52 ends on `_append` in a name and silently ignores `FILES_${PN}`. Rewrites text only; knows no values.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from dlkm.core.data import data_table
from dlkm.yocto.statements import Kind, Statement, read_statements

_LONGEST = 1000  # characters of what can be a name
OPERATORS = frozenset({"append", "prepend", "remove"})

_LOWER = re.compile(r"[a-z0-9][a-z0-9.+-]*\Z")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_FUNCTION = re.compile(r"(?:do_[a-z]|populate_packages\Z|base_|[a-z]+_do_)")
_NEW = re.compile(r":(?:append|prepend|remove)\b|:\$\{PN\}")
# What data_smart's `[^A-Z]*` leaves for the condition of an operator, and a `${VARIABLE}` in it.
_CONDITION = re.compile(r"(?:\$\{[^}]*\}|[^A-Z${}])+\Z")
_QUOTED = re.compile(r"(\b(?:d|\w*data)\.[a-z]\w*Var\w*\(\s*f?)([\"'])([^\"'\n]*)")
_REFERENCE = re.compile(r"\$\{([A-Za-z][\w.+-]*)\}")
_SOURCE_NAME = re.compile(r";name=([\w.+-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One spelling that was replaced: on `line` (from 1) `old` became `new`; `message` says so in a sentence."""

    line: int
    old: str
    new: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """data/overrides.toml."""

    package: re.Pattern[str]
    package_variables: frozenset[str]
    variables: frozenset[str]
    words: frozenset[str]
    beginnings: tuple[str, ...]
    plain: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What the whole text says of its names: those it refers to are plain; `modern` text holds no guessed overrides."""

    referred: frozenset[str]
    sources: frozenset[str]
    modern: bool


def translate(text: str, name: str) -> tuple[str, tuple[Notice, ...]]:
    """The text in today's override syntax, each statement on the line where it was, and what was replaced.

    `name` is the file's, for the messages. Text in today's syntax comes back as it is; so does the result itself.
    Names that are overrides only by what a machine calls itself are taken for such only with a variable that is known
    to be BitBake's, and only where the text is not already in today's syntax.
    """
    if "_" not in text:
        return text, ()
    statements = read_statements(text)
    context = _context(text, statements)
    lines: list[str] = []
    notices: list[Notice] = []
    for statement in statements:
        for number, line in enumerate(statement.lines):
            changed, found = _line(statement, number, line, context)
            lines.append(changed)
            notices += (_notice(name, statement.line + number, old, new) for old, new in found)
    return "\n".join(lines), tuple(notices)


def modern_name(text: str) -> str:
    """One name (of a variable or a function) as today's syntax spells it, judged by itself."""
    return _modern(text, _Context(referred=frozenset(), sources=frozenset(), modern=False))


def _notice(name: str, line: int, old: str, new: str) -> Notice:
    message = f"{name}:{line}: {old} is the override syntax before Yocto 3.4: today it is written {new}"
    return Notice(line=line, old=old, new=new, message=message)


@cache
def _words() -> _Words:
    table = data_table("overrides.toml")
    longest_first = sorted(table["package_variables"], key=len, reverse=True)
    return _Words(
        package=re.compile(rf"({'|'.join(map(re.escape, longest_first))})_(?=[$a-z0-9%{{<])"),
        package_variables=frozenset(table["package_variables"]),
        variables=frozenset(table["variables"]) | {name for name in longest_first if name.isupper()},
        words=frozenset(table["words"]),
        beginnings=tuple(table["beginnings"]),
        plain=tuple(table["plain_beginnings"]),
    )


def _context(text: str, statements: tuple[Statement, ...]) -> _Context:
    quoted = {match[3] for match in _QUOTED.finditer(text)}
    called = {word for statement in statements for line in _uses(statement) for word in re.findall(r"\bdo_\w+", line)}
    return _Context(
        referred=frozenset(_REFERENCE.findall(text)) | quoted | called,
        sources=frozenset(_SOURCE_NAME.findall(text)),
        modern=any(_NEW.search(statement.name) for statement in statements),
    )


def _uses(statement: Statement) -> tuple[str, ...]:
    """The lines that may call or order a function by its name."""
    return statement.lines if statement.kind is Kind.DIRECTIVE else statement.body


def _line(statement: Statement, number: int, line: str, context: _Context) -> tuple[str, list[tuple[str, str]]]:
    """One physical line rewritten, and the pairs of old and new spelling."""
    if statement.kind in {Kind.COMMENT, Kind.BLANK, Kind.OTHER}:
        return line, []
    found: list[tuple[str, str]] = []
    head = 0
    # Not `unset`: BitBake's grammar has no overrides there.
    if number == 0 and statement.kind in {Kind.ASSIGNMENT, Kind.SHELL, Kind.PYTHON}:
        head = statement.column + len(statement.name)
        new = _modern(statement.name, context)
        if line[statement.column : head] == statement.name and new != statement.name:
            found.append((statement.name, new))
            line = line[: statement.column] + new + line[head:]
            head += len(new) - len(statement.name)
    return line[:head] + _in_text(line[head:], found), found


def _in_text(text: str, found: list[tuple[str, str]]) -> str:
    """A value or a line of a body: names in `d.getVar("…")` and in `${FILES_${PN}}`; all else stays as it is."""
    if "Var" in text:
        text = _QUOTED.sub(lambda match: match[1] + match[2] + _quoted(match[3], found), text)
    return _nested(text, found) if "${" in text else text


def _quoted(name: str, found: list[tuple[str, str]]) -> str:
    """What d.getVar() and its like are given: perhaps only the beginning of a name."""
    new = name
    if name.endswith("_") and name[:-1] in _words().package_variables:
        new = name[:-1] + ":"  # the package's name is added by what follows
    elif len(name) <= _LONGEST and not any(mark in name for mark in " ,;()="):
        new = _package_and_operators(name)
    if new != name:
        found.append((name, new))
    return new


def _nested(text: str, found: list[tuple[str, str]]) -> str:
    """References to what a package variable says of a package, `${FILES_${PN}-dev}`."""

    def replaced(match: re.Match[str]) -> str:
        found.append((match[1], _package_and_operators(match[1])))
        return "${" + found[-1][1] + "}"

    pattern = rf"\$\{{({_words().package.pattern}\$\{{[A-Z]+\}}[a-z0-9+.-]*)\}}"
    return re.sub(pattern, replaced, text)


def _package_and_operators(name: str) -> str:
    base, colon, rest = name.partition(":")
    changed = _split_package(base, lambda _word: False) or _operators(base, lambda inner: inner)
    return (changed or base) + colon + rest


def _modern(name: str, context: _Context) -> str:
    if len(name) > _LONGEST:
        return name
    base, *parts = _outside(name, ":")
    return ":".join([_modern_base(base, context), *(_modern_part(part) for part in parts)])


def _modern_part(part: str) -> str:
    """What follows the first colon may still end in an operator: `FILES:${PN}_append`."""
    words = _outside(part, "_")
    for number in range(1, len(words)):
        if words[number] in OPERATORS:
            return ":".join(["_".join(words[:number]), *words[number:]])
    return part


def _modern_base(name: str, context: _Context) -> str:
    if "_" not in name:
        return name
    return (
        _split_package(name, lambda word: _is_override(word) or bool(_LOWER.match(word)))
        or _operators(name, lambda inner: _modern_base(inner, context))
        or _plain_overrides(name, context)
        or name
    )


def _split_package(name: str, is_override: Callable[[str], bool]) -> str | None:
    """`FILES_${PN}-dev_append_arm` → `FILES:${PN}-dev:append:arm`; None when it is no variable of a package."""
    match = _words().package.match(name)
    if match is None or name in _words().package_variables:
        return None
    words = _outside(name[match.end() :], "_")
    if words[0] in OPERATORS:
        return ":".join([match[1], *words])
    operator = next((number for number, word in enumerate(words) if word in OPERATORS), len(words))
    package, rest = words[:operator], words[operator:]
    conditions: list[str] = []
    while len(package) > 1 and (_is_override(package[-1]) or ("${" in package[0] and is_override(package[-1]))):
        conditions.insert(0, package.pop())
    return ":".join([match[1], "_".join(package), *conditions, *rest])


def _operators(name: str, inner: Callable[[str], str]) -> str | None:
    """`SRC_URI_append_arm` → `SRC_URI:append:arm`; what is before the operator goes through `inner`."""
    words = _outside(name, "_")
    for number in range(1, len(words)):
        rest = words[number + 1 :]
        if words[number] in OPERATORS and all(_CONDITION.match(word) for word in rest) and any(words[:number]):
            return ":".join([inner("_".join(words[:number])), words[number], *rest])
    return None


def _plain_overrides(name: str, context: _Context) -> str | None:
    """`SRC_URI_mx6` → `SRC_URI:mx6`; None for a name that only looks like it."""
    if name.startswith(_words().plain) or name in context.referred:
        return None
    base, overrides = _outside(name, "_"), list[str]()
    while len(base) > 1 and _is_override(base[-1]):
        overrides.insert(0, base.pop())
    if not overrides and not context.modern and "_".join(base[:-1]) in _words().variables:
        overrides = [base.pop()] if _LOWER.match(base[-1]) or base[-1] == "${MACHINE}" else []
    stem = "_".join(base)
    if not overrides or not _takes_overrides(stem) or (stem == "SRCREV" and context.sources & set(overrides)):
        return None
    return ":".join([stem, *overrides])


def _takes_overrides(stem: str) -> bool:
    own = stem.removeprefix("SRCREV_") if stem.startswith("SRCREV_") else stem
    return bool(_VARIABLE.match(stem) or _FUNCTION.match(stem)) or own != stem or stem in _words().package_variables


def _is_override(word: str) -> bool:
    return word in _words().words or word.startswith(_words().beginnings)


def _outside(text: str, mark: str) -> list[str]:
    """The text split at a mark that stands outside of `${…}`."""
    parts, depth, start = list[str](), 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}" and depth > 0)
        if letter == mark and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
