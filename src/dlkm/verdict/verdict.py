# SPDX-License-Identifier: GPL-2.0-or-later
"""The answer of a check as a value: what the kernel will do, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What will happen, or what did."""

    LOADS = "loads"
    FAILS = "fails"
    CANNOT_TELL = "cannot-tell"


class Severity(StrEnum):
    """How much a finding weighs: an ERROR stops the load, a WARNING and a NOTE do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule found. `masked`: an earlier failure hides it from the kernel's eyes."""

    rule: str
    severity: Severity
    message: str
    hint: str = ""
    masked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a kernel will say of a module; the fields are those of `dlkm check --json` (dlkm.check/1).

    `errno` is the name ("ENOEXEC") that the system call returns, None when it loads or nobody can tell.
    `log` holds the lines with which the kernel refuses, word for word, `<addr>` and `<comm>` as place-holders.
    `taint` holds the letters that loading adds.
    """

    path: str
    module: str
    kernel: str
    outcome: Outcome
    errno: str | None = None
    log: tuple[str, ...] = ()
    taint: str = ""
    findings: tuple[Finding, ...] = ()
