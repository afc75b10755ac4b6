# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of each cell, from the records beside its build, and what makes a record void."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.build.record import Evidence, write_record
from dlkm.build.result import BuildOutcome, BuiltModule, Cell
from dlkm.core.records import Mark
from dlkm.matrix.declaration import Step
from dlkm.matrix.fleet import Asked, CellState, State, fleet_of, found_in
from dlkm.matrix.plan import Expected
from dlkm.prove.agreement import Agreement
from dlkm.prove.record import ProofRecord, Proven, TrialRecord, write_proof
from dlkm.prove.trial import TrialOutcome
from dlkm.verdict.record import VerdictRecord, write_verdicts
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict

KERNEL, IDENTITY, WHEN = "6.1", "k1", "2026-01-02T03:04:05Z"
KNOWN = Expected(reason="timers are gone", strict=True, where="dlkm.toml:9")
ASKED = Asked(id="a@6.1", source="a", kernel=KERNEL)


class Shelf:
    """An output directory with one cell of two modules."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output / ASKED.id
        self.folder.mkdir(parents=True)
        self.paths = [self.folder / "one.ko", self.folder / "two.ko"]

    def build(self, outcome: BuildOutcome = BuildOutcome.BUILT, reason: str = "") -> None:
        for path in self.paths:
            path.write_bytes(path.name.encode())
        built = outcome is BuildOutcome.BUILT
        cell = Cell(
            id=ASKED.id,
            source=Path("/src/a"),
            kernel=KERNEL,
            arch="x86_64",
            outcome=outcome,
            reason=reason,
            modules=tuple(BuiltModule(path=path, sha256="", vermagic="") for path in self.paths) if built else (),
            log=self.folder / "build.log",
        )
        (self.folder / "build.log").write_text("")
        write_record(self.folder, cell, Evidence())

    def judge(self, *outcomes: Outcome) -> None:
        verdicts = {
            path.name: Verdict(
                path=path.name,
                module=path.stem,
                kernel=KERNEL,
                outcome=outcome,
                errno="ENOEXEC" if outcome is Outcome.FAILS else None,
                log=("two: no",) if outcome is Outcome.FAILS else (),
                findings=(
                    Finding(rule="r", severity=Severity.ERROR, message="another ABI"),
                    Finding(rule="r", severity=Severity.ERROR, message="hidden", masked=True),
                ),
            )
            for path, outcome in zip(self.paths, outcomes, strict=True)
        }
        marks = {path.name: Mark.of(path) for path in self.paths}
        record = VerdictRecord(
            kernel=KERNEL, identity=IDENTITY, command=("dlkm", "check"), when=WHEN, marks=marks, verdicts=verdicts
        )
        write_verdicts(self.folder, record)

    def prove(
        self, *outcomes: Outcome, tests: tuple[TrialRecord, ...] = (), agreement: Agreement = Agreement.AGREES
    ) -> None:
        modules = {
            path.name: Proven(
                mark=Mark.of(path),
                outcome=outcome,
                agreement=agreement,
                errno="EINVAL" if outcome is Outcome.FAILS else None,
                log=("one: bad",) if outcome is Outcome.FAILS else (),
            )
            for path, outcome in zip(self.paths, outcomes, strict=True)
        }
        record = ProofRecord(
            kernel=KERNEL, identity=IDENTITY, command=("dlkm", "prove"), when=WHEN, modules=modules, tests=tests
        )
        write_proof(self.folder, record)

    def state(
        self,
        identity: str | None = IDENTITY,
        tests: Mapping[str, str] | None = None,
        **failures: Expected,
    ) -> CellState:
        asked = replace(ASKED, tests=tests, failures={Step(name): one for name, one in failures.items()})
        fleet = fleet_of([asked], self.output, lambda _kernel: identity)
        assert (fleet.sources, fleet.kernels) == (("a",), (KERNEL,))
        return fleet.cells["a", KERNEL]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "out")


LOADS, FAILS, UNSURE = Outcome.LOADS, Outcome.FAILS, Outcome.CANNOT_TELL


def test_no_build(shelf: Shelf) -> None:
    assert (shelf.state().state, shelf.state().notes) == (State.UNKNOWN, ())
    (shelf.folder / "build.json").write_text("{")
    assert shelf.state().state is State.UNKNOWN
    assert "is no build record" in shelf.state().notes[0]


def test_only_built(shelf: Shelf) -> None:
    shelf.build()
    assert (shelf.state().state, shelf.state().command) == (State.BUILT, ("dlkm", "build", "/src/a", "-k", KERNEL))


def test_builds_that_failed(shelf: Shelf) -> None:
    shelf.build(BuildOutcome.FAILED, "a.c:1: error: no")
    failed = shelf.state()
    assert (failed.state, failed.why, failed.log) == (
        State.BUILD_FAILS,
        ("a.c:1: error: no",),
        shelf.folder / "build.log",
    )
    known = shelf.state(build=KNOWN)
    assert (known.state, known.detail, known.why) == (State.KNOWN, "build", ("timers are gone", "a.c:1: error: no"))
    shelf.build(BuildOutcome.SKIPPED, "not for this machine")
    assert shelf.state().state is State.SKIPPED


@pytest.mark.parametrize(
    ("outcomes", "state", "detail"),
    [
        ((LOADS, LOADS), State.LOADS, ""),
        ((LOADS, UNSURE), State.UNSURE, ""),
        ((UNSURE, FAILS), State.LOAD_FAILS, "ENOEXEC"),
    ],
)
def test_the_worst_verdict_counts(shelf: Shelf, outcomes: tuple[Outcome, ...], state: State, detail: str) -> None:
    shelf.build()
    shelf.judge(*outcomes)
    found = shelf.state()
    assert (found.state, found.detail, found.command, found.when) == (state, detail, ("dlkm", "check"), WHEN)


def test_why_it_will_be_refused(shelf: Shelf) -> None:
    shelf.build()
    shelf.judge(LOADS, FAILS)
    assert shelf.state().why == ("two.ko: will be refused: ENOEXEC", "two: no", "another ABI")


def _test(outcome: TrialOutcome, name: str = "smoke", digest: str = "d") -> TrialRecord:
    return TrialRecord(
        name=name, outcome=outcome, why="status 1" if outcome is TrialOutcome.FAILED else "", digest=digest
    )


def test_a_proof_is_worth_more_than_a_verdict(shelf: Shelf) -> None:
    shelf.build()
    shelf.judge(FAILS, FAILS)
    shelf.prove(LOADS, LOADS, tests=(_test(TrialOutcome.PASSED), _test(TrialOutcome.SKIPPED, "other")))
    assert (shelf.state().state, shelf.state().detail) == (State.PROVEN, "2 tests")
    shelf.prove(LOADS, LOADS, tests=(_test(TrialOutcome.PASSED), _test(TrialOutcome.FAILED, "other")))
    found = shelf.state()
    assert (found.state, found.detail, found.why) == (State.TEST_FAILS, "other", ("test other: status 1",))
    shelf.prove(FAILS, LOADS)
    found = shelf.state()
    assert (found.state, found.detail) == (State.LOAD_FAILS, "EINVAL")
    assert found.why == ("one.ko: the booted kernel refuses it: EINVAL", "one: bad")


def test_a_difference_is_noted(shelf: Shelf) -> None:
    shelf.build()
    shelf.prove(LOADS, LOADS, agreement=Agreement.DIFFERS)
    assert shelf.state().state is State.PROVEN
    assert shelf.state().notes[0] == "one.ko: the booted kernel did otherwise than predicted"


def test_records_of_other_modules_are_void(shelf: Shelf) -> None:
    shelf.build()
    shelf.judge(LOADS, LOADS)
    shelf.prove(LOADS, LOADS)
    shelf.paths[1].write_bytes(b"two.KO")  # as long as before
    found = shelf.state()
    assert found.state is State.BUILT
    assert [note.partition(" of ")[0] for note in found.notes] == ["the proof", "the verdict"]


def test_a_module_that_was_made_again_with_the_same_bytes_is_the_same(shelf: Shelf) -> None:
    shelf.build()
    shelf.prove(LOADS, LOADS)
    shelf.build()
    assert (shelf.state().state, shelf.state().notes) == (State.PROVEN, ())


def test_another_number_of_modules_is_another_build(shelf: Shelf) -> None:
    shelf.build()
    shelf.judge(LOADS, LOADS)
    shelf.paths.append(shelf.folder / "three.ko")
    shelf.build()
    assert shelf.state().state is State.BUILT


def test_records_of_another_kernel_are_void(shelf: Shelf) -> None:
    shelf.build()
    shelf.judge(LOADS, LOADS)
    assert shelf.state(identity="k2").state is State.BUILT
    assert shelf.state(identity="k2").notes == (f"the verdict of {WHEN} is of another kernel than 6.1 is now",)
    assert shelf.state(identity=None).state is State.LOADS


@pytest.mark.parametrize("name", ["verdict.json", "proof.json"])
@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "dlkm.proof-record/1"}', '{"schema": "dlkm.verdict-record/1"}']
)
def test_a_record_that_is_none_says_nothing(shelf: Shelf, name: str, text: str) -> None:
    shelf.build()
    (shelf.folder / name).write_text(text)
    assert (shelf.state().state, shelf.state().notes) == (State.BUILT, ())


def test_only_the_tests_of_now_count(shelf: Shelf) -> None:
    shelf.build()
    failed, passed = _test(TrialOutcome.FAILED), _test(TrialOutcome.PASSED, "other", "d2")
    shelf.prove(LOADS, LOADS, tests=(failed, passed))
    assert shelf.state(tests={"smoke": "d", "other": "d2"}).state is State.TEST_FAILS
    assert shelf.state(tests={"other": "d2"}).state is State.PROVEN
    changed = shelf.state(tests={"smoke": "d3", "other": "d2", "new": "d"})
    assert changed.state is State.PROVEN
    assert changed.notes == ("tests that are new or changed since the proof: new, smoke",)


def test_loads_against_what_is_expected(shelf: Shelf) -> None:
    shelf.build()
    assert shelf.state(build=KNOWN).notes == ("it is expected not to build (dlkm.toml:9: timers are gone)",)
    shelf.judge(LOADS, FAILS)
    known = shelf.state(load=KNOWN)
    assert (known.state, known.detail, known.why[0]) == (State.KNOWN, "load", "timers are gone")
    shelf.judge(LOADS, LOADS)
    assert shelf.state(load=KNOWN).notes == ("it is expected not to load (dlkm.toml:9: timers are gone)",)


def test_what_lies_in_a_directory(shelf: Shelf) -> None:
    shelf.build()
    (shelf.output / "b@6.1").mkdir()
    (shelf.output / ".a@6.1.xyz").mkdir()
    assert found_in(shelf.output) == (ASKED,)
    assert found_in(shelf.output / "missing") == ()
