# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of modprobe.d, depmod.d and modules-load.d, as kmod and systemd take them apart."""

from collections.abc import Iterator
from dataclasses import dataclass

from dlkm.core.names import normalise_module_name

# Words of modprobe.d, and whether something must follow the name (libkmod/libkmod-config.c: kmod_config_parse).
MODPROBE_WORDS = {"alias": True, "blacklist": False, "options": True, "install": True, "remove": True, "softdep": True,
                  "weakdep": True}  # fmt: skip
_BLANKS = "\t "
# Commands of install lines that stand for "do not load" (modprobe.d(5)), their first word without its directory.
_NO_COMMANDS = frozenset({"false", "true", ":", "nologin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One line of modprobe.d: `blacklist NAME`, `options NAME …`, `alias WILDCARD NAME` …; `file` and `line` say where.

    `kind` is empty for a line that kmod skips as bad; `name` is then its first word.
    """

    kind: str
    name: str
    rest: str = ""
    file: str = ""
    line: int = 0

    @property
    def text(self) -> str:
        """The line as it is written."""
        return " ".join(part for part in (self.kind, self.name, self.rest) if part)

    @property
    def place(self) -> str:
        """Where it stands, for a message."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def loads_nothing(self) -> bool:
        """Whether the command of an `install` line only keeps a module out."""
        words = self.rest.split()
        return bool(words) and words[0].rpartition("/")[2] in _NO_COMMANDS

    def about(self, module: str) -> bool:
        """Whether it names this module; '-' and '_' are the same, as for kmod."""
        return underscores(self.name) == normalise_module_name(module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a file, joined where it was continued; `number` is that of its first part."""

    number: int
    text: str


def directives(data: bytes, file: str) -> Iterator[Directive]:
    """What modprobe takes from a file; bad lines too (see Directive)."""
    for line in kmod_lines(data):
        word, name, rest = _words(line.text)
        good = word in MODPROBE_WORDS and underscores(name) is not None and (rest or not MODPROBE_WORDS[word])
        if word == "alias":
            good = good and underscores(rest.split()[0]) is not None
        if good and name:
            yield Directive(kind=word, name=name, rest=rest, file=file, line=line.number)
        elif word:
            yield Directive(kind="", name=word, rest=f"{name} {rest}".strip(), file=file, line=line.number)


def kmod_lines(data: bytes) -> Iterator[Line]:
    """Lines that are neither empty nor comments; a backslash at the end joins, any other only goes away.

    Source: shared/util.c: freadline_wrapped. '#' begins a comment at a line's beginning alone; a comment that is
    indented is a bad line to kmod, which comes to the same.
    """
    text = data.decode("utf-8", "surrogateescape")
    parts: list[str] = []
    first = 1
    lines = text.split("\n")
    for number, part in enumerate(lines, 1):
        if (len(part) - len(part.rstrip("\\"))) % 2 and number < len(lines):
            parts.append(part[:-1])
            continue
        whole = _without_backslashes("".join((*parts, part)))
        if whole.strip(_BLANKS) and not whole.lstrip(_BLANKS).startswith("#"):
            yield Line(number=first, text=whole)
        parts, first = [], number + 1


def load_lines(data: bytes) -> Iterator[Line]:
    """The names in a file of modules-load.d (systemd src/modules-load/modules-load.c: apply_file)."""
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        name = line.strip(" \t\r\n")
        if name and name[0] not in "#;":
            yield Line(number=number, text=name)


def underscores(name: str) -> str | None:
    """The name with '-' as '_', but between brackets; None where brackets do not fit, as for kmod (underscores())."""
    if not any(letter in name for letter in "-[]"):
        return name
    parts, rest = [], name
    while rest:
        plain, bracket, rest = rest.partition("[")
        if "]" in plain:
            return None
        parts.append(plain.replace("-", "_"))
        if bracket:
            inside, closed, rest = rest.partition("]")
            if not closed:
                return None
            parts.append(f"[{inside}]")
    return "".join(parts)


def _words(text: str) -> tuple[str, str, str]:
    """The first two words and the rest; words end at blanks and tabs alone."""
    word, rest = _split(text)
    name, rest = _split(rest)
    return word, name, rest.strip(_BLANKS)


def _split(text: str) -> tuple[str, str]:
    text = text.lstrip(_BLANKS)
    end = next((place for place, letter in enumerate(text) if letter in _BLANKS), len(text))
    return text[:end], text[end:]


def _without_backslashes(text: str) -> str:
    if "\\" not in text:
        return text
    letters = iter(text)
    return "".join(next(letters, "") if letter == "\\" else letter for letter in letters)
