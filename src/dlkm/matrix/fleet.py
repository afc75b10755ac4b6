# SPDX-License-Identifier: GPL-2.0-or-later
"""Which driver runs on which kernel: what is recorded of each cell, weighed. Reads records; judges nothing."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dlkm.build.output import output_directory
from dlkm.build.record import read_build
from dlkm.build.result import BuildOutcome, Cell
from dlkm.core.errors import DlkmError
from dlkm.matrix.declaration import GuestTestTable, Step
from dlkm.matrix.plan import Expected, PlannedCell
from dlkm.matrix.trials import digest_of
from dlkm.prove.agreement import Agreement
from dlkm.prove.record import ProofRecord, Proven, read_proof
from dlkm.prove.trial import TrialOutcome
from dlkm.source.leftovers import RECORD
from dlkm.verdict.record import VerdictRecord, read_verdicts
from dlkm.verdict.verdict import Outcome, Severity, Verdict


class State(StrEnum):
    """What is known of a cell, in the words of the report: the best first, then what is open, then what is wrong."""

    PROVEN = "proven"
    LOADS = "loads"
    BUILT = "built"
    UNSURE = "cannot tell"
    UNKNOWN = "not built"
    SKIPPED = "skipped"
    KNOWN = "known to fail"
    BUILD_FAILS = "build fails"
    LOAD_FAILS = "does not load"
    TEST_FAILS = "test fails"

    @property
    def is_good(self) -> bool:
        """Whether nothing more has to be said."""
        return self in {State.PROVEN, State.LOADS, State.BUILT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One cell that is asked about.

    `failures` is what a project expects of it, `tests` its tests' digests by name, None where no project says which
    there are; `again` builds it anew.
    """

    id: str
    source: str
    kernel: str
    failures: Mapping[Step, Expected] = field(default_factory=dict)
    tests: Mapping[str, str] | None = None
    again: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellState:
    """One cell as far as it is known. `detail` is what stands behind the state ("ENOEXEC", "2 tests").

    `why` are lines for people, `command` finds it out again, `when` is a moment of UTC; both empty where nothing is
    recorded. `notes` say what was recorded and does not hold any more, or against expectation.
    """

    id: str
    source: str
    kernel: str
    state: State
    detail: str = ""
    why: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    when: str = ""
    log: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The whole answer: rows, columns, and the cells by both."""

    sources: tuple[str, ...]
    kernels: tuple[str, ...]
    cells: Mapping[tuple[str, str], CellState]

    def count(self, state: State) -> int:
        """How many cells are in a state."""
        return sum(cell.state is state for cell in self.cells.values())


Identify = Callable[[str], str | None]


def asked_of(cells: Sequence[PlannedCell], project: Path | None) -> tuple[Asked, ...]:
    """The cells of a plan; `project` is the directory of its file, None where there is none."""
    digests: dict[GuestTestTable, str] = {}

    def digest(test: GuestTestTable) -> str:
        if test not in digests:
            digests[test] = digest_of(test, project or Path())
        return digests[test]

    return tuple(
        Asked(
            id=cell.id,
            source=cell.source.name,
            kernel=cell.kernel.id,
            failures=cell.failures,
            tests={test.name: digest(test) for test in cell.tests} if project is not None else None,
            again=("dlkm", "build", "--only", cell.id) if project is not None else (),
        )
        for cell in cells
    )


def found_in(output: Path) -> tuple[Asked, ...]:
    """The cells whose builds lie in an output directory; none where there is no such directory."""
    try:
        names = sorted(entry.name for entry in os.scandir(output) if "@" in entry.name and entry.name[0] != ".")
    except OSError:
        return ()
    found = (name.partition("@") for name in names if (output / name / RECORD).is_file())
    return tuple(Asked(id=f"{name}@{kernel}", source=name, kernel=kernel) for name, _, kernel in found)


def fleet_of(asked: Sequence[Asked], output: Path, identify: Identify = lambda _kernel: None) -> Fleet:
    """What is known of each cell. `identify` gives a kernel's identity by its id, None where it is not at hand."""
    known: dict[str, str | None] = {}

    def identity(kernel: str) -> str | None:
        if kernel not in known:
            known[kernel] = identify(kernel)
        return known[kernel]

    states = {(one.source, one.kernel): _state(one, output_directory(output, one.id), identity) for one in asked}
    return Fleet(
        sources=tuple(dict.fromkeys(one.source for one in asked)),
        kernels=tuple(dict.fromkeys(one.kernel for one in asked)),
        cells=states,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What one source of knowledge says."""

    state: State
    detail: str = ""
    why: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    when: str = ""


def _state(one: Asked, folder: Path, identify: Identify) -> CellState:
    try:
        cell = read_build(folder)
    except DlkmError as error:
        unreadable = (error.what,) if (folder / RECORD).exists() else ()
        return _told(one, _Known(state=State.UNKNOWN), notes=unreadable)
    again = one.again or ("dlkm", "build", str(cell.source), "-k", cell.kernel)
    if cell.outcome is not BuildOutcome.BUILT:
        return _unbuilt(one, cell, again)
    notes: list[str] = []
    if (proof := read_proof(folder)) is not None and _holds("proof", proof, cell, identify, notes):
        known = _by_proof(proof, one.tests, notes)
    elif (verdict := read_verdicts(folder)) is not None and _holds("verdict", verdict, cell, identify, notes):
        known = _by_verdict(verdict)
    else:
        known = _Known(state=State.BUILT, command=again)
    return _told(one, _against(one, known, notes), notes=tuple(notes), log=cell.log)


def _told(one: Asked, known: _Known, *, notes: tuple[str, ...] = (), log: Path | None = None) -> CellState:
    return CellState(
        id=one.id,
        source=one.source,
        kernel=one.kernel,
        state=known.state,
        detail=known.detail,
        why=known.why,
        command=known.command,
        when=known.when,
        log=log,
        notes=notes,
    )


def _unbuilt(one: Asked, cell: Cell, again: tuple[str, ...]) -> CellState:
    why, expected = tuple(cell.reason.split("\n")), one.failures.get(Step.BUILD)
    if cell.outcome is BuildOutcome.SKIPPED:
        known = _Known(state=State.SKIPPED, why=why, command=again)
    elif expected is not None:
        known = _Known(state=State.KNOWN, detail="build", why=(expected.reason, *why), command=again)
    else:
        known = _Known(state=State.BUILD_FAILS, why=why, command=again)
    return _told(one, known, log=cell.log)


def _against(one: Asked, known: _Known, notes: list[str]) -> _Known:
    """What was found, held against what is expected."""
    build, load = one.failures.get(Step.BUILD), one.failures.get(Step.LOAD)
    if build is not None:
        notes.append(f"it is expected not to build ({build.where}: {build.reason})")
    if load is None:
        return known
    if known.state is State.LOAD_FAILS:
        why = (load.reason, *known.why)
        return _Known(state=State.KNOWN, detail="load", why=why, command=known.command, when=known.when)
    if known.state in {State.LOADS, State.PROVEN, State.TEST_FAILS}:
        notes.append(f"it is expected not to load ({load.where}: {load.reason})")
    return known


def _by_proof(record: ProofRecord, asked: Mapping[str, str] | None, notes: list[str]) -> _Known:
    for name, one in record.modules.items():
        if one.agreement is Agreement.DIFFERS:
            notes.append(f"{name}: the booted kernel did otherwise than predicted")
    tests = [test for test in record.tests if asked is None or asked.get(test.name) == test.digest]
    missing = sorted(set(asked or ()) - {test.name for test in tests})
    if missing:
        notes.append(f"tests that are new or changed since the proof: {', '.join(missing)}")
    failed = [test for test in tests if test.outcome is TrialOutcome.FAILED]
    refused = {name: one for name, one in record.modules.items() if one.outcome is not Outcome.LOADS or one.trouble}
    if refused:
        why = tuple(line for name, one in refused.items() for line in _refusal(name, one))
        state, detail = State.LOAD_FAILS, next(iter(refused.values())).errno or ""
    elif failed:
        state, detail = State.TEST_FAILS, ", ".join(test.name for test in failed)
        why = tuple(f"test {test.name}: {test.why}" for test in failed)
    else:
        state, detail, why = State.PROVEN, f"{len(tests)} tests" if tests else "", ()
    return _Known(state=state, detail=detail, why=why, command=record.command, when=record.when)


def _refusal(name: str, one: Proven) -> Iterator[str]:
    yield f"{name}: {one.trouble or f'the booted kernel refuses it: {one.errno}'}"
    yield from one.log


def _by_verdict(record: VerdictRecord) -> _Known:
    verdicts = record.verdicts.items()
    for outcome, state in ((Outcome.FAILS, State.LOAD_FAILS), (Outcome.CANNOT_TELL, State.UNSURE)):
        found = {name: one for name, one in verdicts if one.outcome is outcome}
        if found:
            why = tuple(line for name, one in found.items() for line in _judgement(name, one))
            detail = next(iter(found.values())).errno or ""
            return _Known(state=state, detail=detail, why=why, command=record.command, when=record.when)
    return _Known(state=State.LOADS, command=record.command, when=record.when)


def _judgement(name: str, verdict: Verdict) -> Iterator[str]:
    will = "will be refused" if verdict.outcome is Outcome.FAILS else "cannot be told"
    yield f"{name}: {will}{f': {verdict.errno}' if verdict.errno else ''}"
    yield from verdict.log
    wanted = Severity.ERROR if verdict.outcome is Outcome.FAILS else Severity.WARNING
    for finding in verdict.findings:
        if finding.severity is wanted and not finding.masked:
            yield finding.message


def _holds(what: str, record: VerdictRecord | ProofRecord, cell: Cell, identify: Identify, notes: list[str]) -> bool:
    """Whether a record speaks of the modules that are there now, and of the kernel as it is now."""
    there = {module.path.name: module.path for module in cell.modules}
    marks = record.marks
    if marks.keys() != there.keys() or not all(marks[name].holds(path) for name, path in there.items()):
        notes.append(f"the {what} of {record.when} is of other modules than are there now")
        return False
    now = identify(cell.kernel)
    if record.kernel != cell.kernel or (now is not None and now != record.identity):
        notes.append(f"the {what} of {record.when} is of another kernel than {cell.kernel} is now")
        return False
    return True
