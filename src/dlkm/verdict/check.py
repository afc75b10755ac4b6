# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict on one file: runs the rules in the kernel's order and says what comes of it."""

from collections.abc import Iterable, Iterator, Sequence
from mmap import mmap
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.core.text import utf8
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.ko.bounds import hold_within
from dlkm.ko.module import Module
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.case import Case, Trip
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.findings import findings as findings_of
from dlkm.verdict.kernel_files import kernel_files
from dlkm.verdict.licence import taint_of
from dlkm.verdict.modprobe import install_commands
from dlkm.verdict.parameters import DANGEROUS
from dlkm.verdict.signing import is_unsigned
from dlkm.verdict.steps import CHECKS, FINAL
from dlkm.verdict.supply import Supply
from dlkm.verdict.verdict import Finding, Outcome, Verdict

_UNREADABLE = "unreadable-part"
_LOG_LINES = 4096  # the kernel's own log keeps no more of one load


def check(
    module: Module, kernel: Kernel, conditions: Conditions | None = None, providers: Sequence[Module] = ()
) -> Verdict:
    """What `kernel` will say of `module`. `providers` are modules that are loaded before it."""
    facts = Facts(kernel)
    candidate = candidate_of(module.path, module.data, kernel)
    return judge(candidate, facts, conditions or Conditions(), Supply(facts=facts, along=tuple(providers)))


def judge(candidate: Candidate, facts: Facts, conditions: Conditions, supply: Supply) -> Verdict:
    """The same over facts that are kept for many files."""
    case = Case(candidate=candidate, facts=facts, conditions=conditions, era=era_of(facts.kernel), supply=supply)
    return _verdict(case, list(_steps(case)))


def _steps(case: Case) -> Iterator[list[Trip]]:
    """The trips of each step of the loader that has any; what a damaged file keeps from being judged ends it."""
    about = [*kernel_files(case), *install_commands(case)]
    if about:
        yield about
    refused = False
    for name in case.era.checks:
        trips: list[Trip] = []
        try:
            trips.extend(CHECKS[name](case))
        except MalformedError as error:
            if not refused:
                yield [*trips, case.trip(_UNREADABLE, why=error.what)]
            return
        if not trips:
            continue
        yield trips
        if any(trip.severity in {"error", "unsure"} for trip in trips):
            refused = True
            if name in FINAL:
                return


def _verdict(case: Case, steps: Sequence[Sequence[Trip]]) -> Verdict:
    """The first step that refuses decides; the findings of later ones are masked."""
    findings: list[Finding] = []
    deciding: Sequence[Trip] = ()
    logged: list[str] = []  # a step that only warns has its lines in the log before those of the refusal
    for trips in steps:
        findings += findings_of(case, trips, masked=bool(deciding))
        if not deciding:
            logged += [part for trip in trips for line in trip.lines for part in _cut(line, case).split("\n")]
        if not deciding and any(trip.severity in {"error", "unsure"} for trip in trips):
            deciding = trips
    outcome = _outcome(deciding)
    fails = outcome is Outcome.FAILS
    return Verdict(
        path=str(case.candidate.path),
        module=utf8(case.candidate.display_name),
        kernel=case.facts.kernel.id,
        outcome=outcome,
        errno=next((trip.errno for trip in reversed(deciding) if trip.severity == "error"), None) if fails else None,
        log=tuple(map(utf8, logged[:_LOG_LINES])) if fails else (),
        taint=_taint(case, findings) if outcome is Outcome.LOADS else "",
        findings=tuple(findings),
    )


def _cut(line: str, case: Case) -> str:
    """As much of a line as one record of the kernel's log holds."""
    (most,) = case.era.words("line-limit")
    raw = line.encode("utf-8", "surrogateescape")
    return line if len(raw) <= most else raw[:most].decode("utf-8", "surrogateescape")


def _outcome(deciding: Sequence[Trip]) -> Outcome:
    """An error decides even beside something unsure: the load fails either way, unless the loader goes on after it to
    read beyond the file.
    """
    if deciding and deciding[-1].rule == _UNREADABLE:
        return Outcome.CANNOT_TELL
    severities = {trip.severity for trip in deciding}
    if "error" in severities:
        return Outcome.FAILS
    return Outcome.CANNOT_TELL if "unsure" in severities else Outcome.LOADS


def _taint(case: Case, findings: Iterable[Finding]) -> str:
    tripped = {finding.rule for finding in findings}
    return taint_of(
        case,
        unsigned=is_unsigned(case),
        forced=any(rule.endswith("-forced") for rule in tripped),
        inherited="inherits-taint" in tripped,
        dangerous=DANGEROUS in tripped,
    )


def candidate_of(path: Path, data: bytes | mmap, kernel: Kernel) -> Candidate:
    """The plain bytes of a file as this kernel's loader sees them; any bytes are a candidate.

    MalformedError for a file with tables out of proportion.
    """
    signed = not kernel.config or kernel.config.on("MODULE_SIG")
    any_modinfo = "any-modinfo" in era_of(kernel).features
    candidate = Candidate(path, data, kernel.arch, any_modinfo=any_modinfo, signed=signed)
    if candidate.length >= candidate.header_size:
        hold_within(candidate.elf)
    return candidate
