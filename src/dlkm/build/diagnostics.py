# SPDX-License-Identifier: GPL-2.0-or-later
"""What compilers, modpost, the linker and make say in a build's log, as values. Judges nothing."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

LINE_LIMIT = 8 << 10  # bytes of one line that are looked at
KEPT = 200  # diagnostics that are kept of one log


class Severity(StrEnum):
    """As the tool calls it."""

    ERROR = "error"
    WARNING = "warning"


class Teller(StrEnum):
    """Who says it; the one that stands first names the cause best."""

    COMPILER = "compiler"
    MODPOST = "modpost"
    LINKER = "linker"
    SHELL = "shell"
    MAKE = "make"
    MAKE_STATUS = "make-status"  # "Error 2", "Waiting …": only passes on that something failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One message. `file` is relative to the driver's directory where it lies there; `line` counts from 1."""

    teller: Teller
    severity: Severity
    text: str
    file: str | None = None
    line: int | None = None

    @property
    def shown(self) -> str:
        """In one line: `hello.c:12: error: …`."""
        place = "" if self.file is None else f"{self.file}: " if self.line is None else f"{self.file}:{self.line}: "
        severity = f"{self.severity}: " if self.teller is Teller.COMPILER else ""
        teller = f"{self.teller}: " if self.teller in {Teller.MODPOST, Teller.MAKE} and self.file is None else ""
        return f"{teller}{place}{severity}{self.text}"


_COMPILER = re.compile(
    r"(?P<file>[^\s:][^:]*):(?P<line>\d+)(?::\d+)?: (?P<severity>(?:fatal )?error|warning): (?P<text>.+)"
)
_ASSEMBLER = re.compile(r"(?P<file>[^\s:][^:]*):(?P<line>\d+): (?P<severity>Error|Warning): (?P<text>.+)")
_MODPOST = re.compile(r"(?P<severity>ERROR|WARNING): (?:modpost: )?(?P<text>.+)")
# scripts/mod/modpost.c: perror() on a table of KBUILD_EXTRA_SYMBOLS that is not there.
_TABLE = re.compile(r"(?P<text>\S*Module\.symvers: No such file or directory)")
_LINKER = re.compile(
    r"(?:\S*ld(?:\.\w+)?|objtool|\S*objcopy): (?P<text>.*(?:undefined|cannot|error|not found|failed).*)"
)
_SHELL = re.compile(r"(?:/bin/)?(?:ba|da)?sh: (?:line )?(?P<line>\d+): (?P<text>.+)")
_MAKE = re.compile(r"make(?:\[\d+\])?: \*\*\* (?:\[(?P<file>[^\]]+?):(?P<line>\d+): [^\]]*\] )?(?P<text>.+)")
_MAKEFILE = re.compile(r"(?P<file>[^\s:][^:]*):(?P<line>\d+): \*\*\* (?P<text>.+)")
_STATUS = re.compile(r"(?:\[[^\]]*\] )?Error \d+(?: \(ignored\))?$|Waiting for unfinished jobs\.+$")

_PATTERNS = (
    (Teller.COMPILER, _COMPILER),
    (Teller.COMPILER, _ASSEMBLER),
    (Teller.MODPOST, _MODPOST),
    (Teller.MODPOST, _TABLE),
    (Teller.LINKER, _LINKER),
    (Teller.SHELL, _SHELL),
    (Teller.MAKE, _MAKEFILE),
    (Teller.MAKE, _MAKE),
)


def parse_line(line: str, folder: str = "") -> Diagnostic | None:
    """The message in one line of a log; `folder` is the driver's directory as the tools saw it."""
    for teller, pattern in _PATTERNS:
        match = pattern.match(line)
        if match is not None:
            return _diagnostic(teller, match.groupdict(), folder)
    return None


def _diagnostic(teller: Teller, found: dict[str, str | None], folder: str) -> Diagnostic:
    text, file, line = found["text"] or "", found.get("file"), found.get("line")
    if teller is Teller.MAKE and _STATUS.search(text):
        teller = Teller.MAKE_STATUS
    prefix = f"{folder}/" if folder else ""
    if prefix:
        text = text.replace(prefix, "")
    return Diagnostic(
        teller=teller,
        severity=Severity.WARNING if "warning" in (found.get("severity") or "").lower() else Severity.ERROR,
        text=text.removesuffix("  Stop.").strip(),
        file=None if file is None else file.removeprefix(prefix) if prefix else file,
        line=None if line is None or teller is Teller.SHELL else int(line),
    )


def read_diagnostics(log: Path, folder: str = "") -> tuple[Diagnostic, ...]:
    """The messages of a log in their order, errors and warnings, at most KEPT of each; any bytes at all are a log."""
    return tuple(_limited(parse_line(line, folder) for line in lines_of(log)))


def _limited(found: Iterable[Diagnostic | None]) -> Iterator[Diagnostic]:
    counts = dict.fromkeys(Severity, 0)
    for diagnostic in found:
        if diagnostic is not None and counts[diagnostic.severity] < KEPT:
            counts[diagnostic.severity] += 1
            yield diagnostic


def lines_of(log: Path) -> Iterator[str]:
    """A log's lines, each cut where it gets too long to be one."""
    try:
        stream = log.open("rb")
    except OSError:
        return
    with stream:
        while line := stream.readline(LINE_LIMIT):
            yield line.decode("utf-8", "replace").rstrip("\r\n")


def first_cause(diagnostics: Iterable[Diagnostic]) -> Diagnostic | None:
    """The error that explains the failure best: of who names causes best, the first."""
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]
    order = list(Teller)
    return min(errors, key=lambda diagnostic: order.index(diagnostic.teller), default=None)
