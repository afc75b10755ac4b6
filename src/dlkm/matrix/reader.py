# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm.toml to values, by its declaration: all that is wrong is told at once, with line and key. Looks at no source."""

import difflib
import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from dlkm.core.errors import UsageError
from dlkm.core.files import open_regular
from dlkm.matrix.declaration import Declared, spelt
from dlkm.matrix.lines import Place, lines_of

LIMIT = 4 << 20  # bytes; a file of ten thousand overrides has a fourth of that
_SHOWN = 20  # problems

Table = TypeVar("Table")


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A dlkm.toml that was read: what it declares, and where. `folder` is what its paths are seen from."""

    path: Path
    declared: Declared
    lines: Mapping[Place, int]

    @property
    def folder(self) -> Path:
        """The project's directory, absolute."""
        return self.path.absolute().parent

    def where(self, *place: str | int) -> str:
        """`dlkm.toml:12`, of a key or the nearest one around it."""
        line = line_at(self.lines, place)
        return self.path.name if line is None else f"{self.path.name}:{line}"


def line_at(lines: Mapping[Place, int], place: Place) -> int | None:
    """The line of a place, or of the nearest one around it that has one."""
    return next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), None)


def read_project(path: Path) -> ProjectFile:
    """UsageError for a file that is not there, is no TOML, or says what the declaration does not know."""
    with open_regular(path) as stream:
        data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise UsageError(f"{path}: larger than any project file ({LIMIT} bytes)")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        table = tomllib.loads(text)
        lines = lines_of(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is no TOML: {error}") from error
    problems: list[tuple[Place, str]] = []
    declared = _Reader(problems).table(Declared, table, ())
    if declared is not None:
        problems += _twice(declared)
    if declared is None or problems:
        raise UsageError("\n  ".join(_told(path, lines, problems)), hint="all keys: docs/reference/dlkm-toml.md")
    return ProjectFile(path=path, declared=declared, lines=lines)


def _twice(declared: Declared) -> Iterator[tuple[Place, str]]:
    """Tests of one name: no report could tell them apart."""
    names = [test.name for test in declared.tests]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield ("tests", number, "name"), f"{name!r} is the name of an earlier test already"


def _told(path: Path, lines: Mapping[Place, int], problems: list[tuple[Place, str]]) -> Iterator[str]:
    for place, what in sorted(problems, key=lambda problem: line_at(lines, problem[0]) or 0)[:_SHOWN]:
        line = line_at(lines, place)
        yield f"{path}{'' if line is None else f':{line}'}: {shown_place(place)}: {what}"
    if len(problems) > _SHOWN:
        yield f"… and {len(problems) - _SHOWN} more"


def shown_place(place: Place) -> str:
    """`sources[1].variables.X`, counted from 1 as people do."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


@cache
def hints_of(kind: type) -> Mapping[str, Any]:
    """The types of a declaration's fields."""
    return get_type_hints(kind)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Values by their declared types; what does not fit goes to `problems`, and None comes in its place."""

    problems: list[tuple[Place, str]]

    def table(self, kind: type[Table], value: Any, place: Place) -> Table | None:
        if not isinstance(value, dict):
            self._wrong(place, f"must be a table, not {_called(value)}")
            return None
        assert is_dataclass(kind)
        known = {spelt(one): one for one in fields(kind)}
        for name in value:
            if name not in known:
                self._wrong((*place, name), _unknown(name, list(known)))
        for name, one in known.items():
            if one.metadata["required"] and name not in value:
                self._wrong(place, f"{name!r} is missing")
        given = {
            one.name: self.value(hints_of(kind)[one.name], one, value[name], (*place, name))
            for name, one in known.items()
            if name in value
        }
        return None if self.problems else kind(**given)

    def value(self, kind: Any, declared: "Field[Any]", value: Any, place: Place) -> Any:
        kind = without_none(kind)
        if get_origin(kind) is tuple:
            return self._list(get_args(kind)[0], declared, value, place)
        if get_origin(kind) is Mapping:
            return self._mapping(declared, value, place)
        if is_dataclass(kind):
            assert isinstance(kind, type)
            short = declared.metadata["short"]
            return self.table(kind, {short: value} if short and isinstance(value, str) else value, place)
        return self._scalar(kind, declared, value, place)

    def _list(self, kind: Any, declared: "Field[Any]", value: Any, place: Place) -> Any:
        if not isinstance(value, list):
            return self._wrong(place, f"must be a list, not {_called(value)}")
        return tuple(self.value(kind, declared, one, (*place, number)) for number, one in enumerate(value))

    def _mapping(self, declared: "Field[Any]", value: Any, place: Place) -> Any:
        if not isinstance(value, dict):
            return self._wrong(place, f"must be a table of texts, not {_called(value)}")
        pattern = declared.metadata["name_pattern"]
        for name, text in value.items():
            if pattern is not None and re.fullmatch(pattern, name) is None:
                self._wrong((*place, name), "is no name that can stand there")
            self._scalar(str, declared, text, (*place, name))
        return dict(value)

    def _scalar(self, kind: Any, declared: "Field[Any]", value: Any, place: Place) -> Any:
        if kind is float:
            return self._number(declared, value, place)
        if kind is bool:
            return value if isinstance(value, bool) else self._wrong(place, f"must be true or false, not {value!r}")
        if not isinstance(value, str):
            quoted = f': write "{value}"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
            return self._wrong(place, f"must be a text, not {_called(value)}{quoted}")
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return self._choice(kind, value, place)
        pattern = declared.metadata["pattern"]
        if "\0" in value or (pattern is not None and re.fullmatch(pattern, value) is None):
            return self._wrong(place, f"{value!r} cannot stand there (it must match {pattern or 'a text without NUL'})")
        return value

    def _number(self, declared: "Field[Any]", value: Any, place: Place) -> Any:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return self._wrong(place, f"must be a number, not {_called(value)}")
        if declared.metadata["positive"] and not 0 < value < float("inf"):
            return self._wrong(place, f"must be above 0, not {value}")
        return float(value)

    def _choice(self, kind: type[StrEnum], value: str, place: Place) -> Any:
        words = [one.value for one in kind]
        if value not in words:
            return self._wrong(place, f"must be {' or '.join(words)}, not {value!r}{_close(value, words)}")
        return kind(value)

    def _wrong(self, place: Place, what: str) -> Any:
        """Note it; None, in place of the value."""
        self.problems.append((place, what))
        return None


def without_none(kind: Any) -> Any:
    """`X | None` is a key that may be left out, not one that may be null."""
    if isinstance(kind, types.UnionType):
        return next(one for one in get_args(kind) if one is not types.NoneType)
    return kind


def _unknown(name: str, known: list[str]) -> str:
    return f"there is no such key{_close(name, known) or '; there are ' + ', '.join(known)}"


def _close(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word.replace("_", "-").lower(), known, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def _called(value: Any) -> str:
    """A TOML value's kind, as its user would call it."""
    words = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a table"}
    return words.get(type(value), "a date")
