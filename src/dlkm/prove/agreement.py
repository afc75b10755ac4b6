# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest reported, read as an answer, and the comparison with the prediction. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from dlkm.core.data import data_table
from dlkm.core.errnos import errno_name
from dlkm.prove.attempt import Observed
from dlkm.prove.protocol import Result
from dlkm.verdict.verdict import Outcome, Verdict

_TAINT_ORDER = "PFSRMBUDAWCIOELKXTN"  # kernel/panic.c: taint_flags; the trace that tells them has an order of its own
LOST = "[records of the kernel's log were lost here]"


class Agreement(StrEnum):
    """How prediction and reality stand to each other."""

    AGREES = "agrees"
    DIFFERS = "differs"
    OPEN = "open"  # nothing was predicted, or no file could foretell it: nothing is contradicted


def compare(predicted: Verdict, observed: Observed) -> Agreement:
    """Outcome, errno and log must be the same; a guest that this put in trouble agrees with nothing.

    What a module's own init() answers, after the kernel has taken it, no file foretells; nor, therefore, that what it
    would have given is not there for others.
    """
    if observed.trouble is not None and not observed.afterwards:
        return Agreement.DIFFERS
    if predicted.outcome is Outcome.CANNOT_TELL:
        return Agreement.OPEN
    if predicted.outcome is Outcome.LOADS and observed.outcome is Outcome.FAILS and observed.accepted:
        return Agreement.OPEN
    if observed.unready and observed.outcome is Outcome.FAILS and _all_but_missing(predicted.log, observed.log):
        return Agreement.OPEN
    same = (predicted.outcome, predicted.errno, predicted.log) == (observed.outcome, observed.errno, observed.log)
    return Agreement.AGREES if same else Agreement.DIFFERS


def _all_but_missing(predicted: Sequence[str], observed: Sequence[str]) -> bool:
    """Whether the kernel says what was predicted, and of further symbols that nobody gives them."""
    missing = _reading().missing
    further = [line for line in observed if line not in predicted]
    same = [line for line in observed if line in predicted] == list(predicted)
    return bool(further) and same and all(missing.fullmatch(line) for line in further)


def read_result(result: Result, logged: Sequence[str]) -> Observed:
    """The answer to one attempt: its last file's result and all that was logged while that file was loaded.

    When init() was called, the kernel itself had refused nothing, whatever init() then returned.
    """
    refused = result.error != 0 and result.accepted is not True
    log = tuple(placed(line) for line in logged if not is_notice(line)) if refused else ()
    return Observed(
        outcome=Outcome.FAILS if result.error else Outcome.LOADS,
        errno=errno_name(result.error) if result.error else None,
        log=log,
        output=tuple(line for line in logged if not refused or is_notice(line)),
        taint="".join(sorted(result.taint, key=_TAINT_ORDER.find)),
        accepted=result.accepted,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A kind of line that one boot says `most` times for certain, and then perhaps no more."""

    pattern: re.Pattern[str]
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    notices: re.Pattern[str]
    missing: re.Pattern[str]
    limits: tuple[Limit, ...]
    unknowable: tuple[tuple[re.Pattern[str], str], ...]


@cache
def _reading() -> _Reading:
    table = data_table("kernel-log.toml")
    return _Reading(
        notices=re.compile("|".join(f"(?:{pattern})" for pattern in table["notices"])),
        missing=re.compile(table["missing"]),
        limits=tuple(Limit(pattern=re.compile(one["pattern"]), most=one["most"]) for one in table["limited"]),
        unknowable=tuple((re.compile(entry["pattern"]), entry["shown"]) for entry in table["unknowable"]),
    )


def is_notice(line: str) -> bool:
    """Whether the line is none with which the kernel refuses a module."""
    return line == LOST or _reading().notices.fullmatch(line) is not None


def limited(lines: Iterable[str]) -> Counter[Limit]:
    """How often each kind of line that the kernel says only so often is among these."""
    return Counter(limit for line in lines for limit in _reading().limits if limit.pattern.fullmatch(line))


def used_up(said: Counter[Limit]) -> bool:
    """Whether the kernel may keep the next line of such a kind to itself."""
    return any(times >= limit.most for limit, times in said.items())


def placed(line: str) -> str:
    """The line with place-holders for what only the running kernel knows."""
    for pattern, shown in _reading().unknowable:
        match = pattern.fullmatch(line)
        if match is not None:
            line = line[: match.start(1)] + shown + line[match.end(1) :]
    return line
