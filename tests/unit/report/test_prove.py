# SPDX-License-Identifier: GPL-2.0-or-later
"""Proofs as text and as dlkm.prove/1, and the exit status they make."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.build.result import BuildOutcome, Cell
from dlkm.core.errors import ExitStatus
from dlkm.prove.accelerator import Accelerator
from dlkm.prove.attempt import Boot, Observed, Ran
from dlkm.prove.case import Case, Cases, Expectation, status_of
from dlkm.prove.trial import TrialOutcome, TrialResult
from dlkm.report.prove import prove_document, show
from dlkm.report.terminal import Colour, Terminal
from dlkm.verdict.verdict import Outcome, Verdict

KERNEL = "6.1.0-56-amd64"
LINE = "hello: disagrees about version of symbol module_layout"
BOOT = Boot(kernel=KERNEL, accelerator=Accelerator.TCG, seconds=5.25, resumed=False)


def _case(predicted: Outcome, observed: Observed, errno: str | None = None, *log: str) -> Case:
    verdict = Verdict(path="out/hello.ko", module="hello", kernel=KERNEL, outcome=predicted, errno=errno, log=log)
    return Case(path=Path("out/hello.ko"), predicted=verdict, observed=observed)


GOOD = _case(Outcome.LOADS, Observed(outcome=Outcome.LOADS))
REFUSED = _case(Outcome.FAILS, Observed(outcome=Outcome.FAILS, errno="ENOEXEC", log=(LINE,)), "ENOEXEC", LINE)
SURPRISE = _case(Outcome.LOADS, Observed(outcome=Outcome.FAILS, errno="ENOEXEC", log=(LINE,)))
OPEN = _case(Outcome.CANNOT_TELL, Observed(outcome=Outcome.LOADS))
PANIC = _case(
    Outcome.LOADS,
    Observed(outcome=Outcome.FAILS, trouble="the kernel panicked: \x1b[31m", console=Path("/cache/c.log")),
)
NO_DEVICE = _case(
    Outcome.LOADS, Observed(outcome=Outcome.FAILS, errno="ENODEV", accepted=True, output=("hello: no device",))
)

TRIAL = TrialResult(
    name="smoke",
    cell="hello@6.1",
    module=Path("out/hello.ko"),
    kernel=KERNEL,
    outcome=TrialOutcome.FAILED,
    why="its program ended with status 1",
    observed=Observed(
        outcome=Outcome.LOADS,
        output=("hello, world",),
        ran=Ran(error=0, status=1, signal=0, said=("no device \x1b",)),
    ),
)


def test_the_document_is_that_of_the_manual() -> None:
    made = json.loads(json.dumps(prove_document(Cases(boots=(BOOT,), cases=(REFUSED, SURPRISE)))))
    assert made["schema"] == "dlkm.prove/1"
    assert made["boots"] == [{"kernel": KERNEL, "accelerator": "tcg", "seconds": 5.25, "resumed": False}]
    first, second = made["results"]
    assert (first["module"], first["kernel"]) == ("hello", KERNEL)
    assert first["predicted"] == {"outcome": "fails", "errno": "ENOEXEC", "log": [LINE]}
    assert {key: first["observed"][key] for key in ("outcome", "errno", "log")} == first["predicted"]
    assert first["agree"] is True
    assert second["agree"] is False


def test_a_build_that_failed_is_in_the_document() -> None:
    cell = Cell(
        id="hello@6.1", source=Path("/s/hello"), kernel="6.1", arch="x86_64", outcome=BuildOutcome.FAILED,
        reason="hello.c:1: no", log=Path("/out/build.log"),
    )  # fmt: skip
    assert json.loads(json.dumps(prove_document(Cases(boots=(), cases=()), [cell])))["failed"] == [
        {"id": "hello@6.1", "source": "/s/hello", "kernel": "6.1", "reason": "hello.c:1: no", "log": "/out/build.log"}
    ]


@pytest.mark.parametrize(
    ("cases", "expected", "status"),
    [
        ([GOOD], Expectation.LOADS, ExitStatus.OK),
        ([GOOD, REFUSED], Expectation.LOADS, ExitStatus.NO),
        ([GOOD, REFUSED], Expectation.AGREE, ExitStatus.OK),
        ([REFUSED], Expectation.FAILS, ExitStatus.OK),
        ([GOOD, REFUSED], Expectation.FAILS, ExitStatus.NO),
        ([SURPRISE], Expectation.AGREE, ExitStatus.NO),
        ([SURPRISE], Expectation.FAILS, ExitStatus.NO),
        ([PANIC], Expectation.FAILS, ExitStatus.NO),
        ([OPEN], Expectation.LOADS, ExitStatus.OK),
        ([OPEN], Expectation.FAILS, ExitStatus.NO),
    ],
)
def test_exit_status(cases: list[Case], expected: Expectation, status: ExitStatus) -> None:
    assert status_of(Cases(boots=(), cases=tuple(cases)), expected) is status


@pytest.mark.parametrize(
    ("case", "strict", "status"),
    [(REFUSED, True, ExitStatus.OK), (GOOD, True, ExitStatus.NO), (GOOD, False, ExitStatus.OK)],
)
def test_what_is_expected_to_fail(case: Case, strict: bool, status: ExitStatus) -> None:  # noqa: FBT001 — a table row
    failing = {"out/hello.ko": strict}
    assert status_of(Cases(boots=(), cases=(case,)), Expectation.LOADS, failing) is status


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (TrialOutcome.PASSED, ExitStatus.OK),
        (TrialOutcome.SKIPPED, ExitStatus.OK),
        (TrialOutcome.FAILED, ExitStatus.NO),
    ],
)
def test_a_test_that_fails(outcome: TrialOutcome, status: ExitStatus) -> None:
    trial = replace(TRIAL, outcome=outcome)
    assert status_of(Cases(boots=(), cases=(GOOD,), trials=(trial,)), Expectation.LOADS) is status


def _shown(*cases: Case) -> str:
    out = io.StringIO()
    show(Cases(boots=(BOOT,), cases=cases), Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()))
    return out.getvalue()


def test_tests_have_their_table_and_failed_ones_their_words() -> None:
    out = io.StringIO()
    found = Cases(boots=(BOOT,), cases=(GOOD,), trials=(TRIAL,))
    show(found, Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()))
    assert "smoke  hello@6.1  failed   its program ended with status 1\n" in out.getvalue()
    assert "its program said:\n    no device \\x1b\n" in out.getvalue()
    assert "the kernel's log:\n    hello, world\n" in out.getvalue()
    (test,) = json.loads(json.dumps(prove_document(found)))["tests"]
    assert (test["name"], test["cell"], test["outcome"], test["log"]) == (
        "smoke",
        "hello@6.1",
        "failed",
        ["hello, world"],
    )
    assert test["program"] == {"error": 0, "status": 1, "signal": 0, "said": ["no device \x1b"]}


def test_side_by_side() -> None:
    lines = _shown(GOOD, REFUSED, SURPRISE).splitlines()
    assert lines[1].split() == ["hello", KERNEL, "loads", "loads", "agree"]
    assert lines[2].split() == ["hello", KERNEL, "fails,", "ENOEXEC", "fails,", "ENOEXEC", "agree"]
    assert lines[3].split() == ["hello", KERNEL, "loads", "fails,", "ENOEXEC", "DIFFER"]
    assert lines[-1] == f"booted {KERNEL} (tcg): 5.2 s"


def test_a_difference_shows_both_logs() -> None:
    assert f"predicted:\n    (nothing)\n  observed:\n    {LINE}\n" in _shown(SURPRISE)


def test_trouble_names_the_console_and_obeys_no_escape() -> None:
    shown = _shown(PANIC)
    assert "the kernel panicked: \\x1b[31m (its console: /cache/c.log)" in shown
    assert "\x1b" not in shown


def test_an_init_that_fails_is_told_from_a_refusal() -> None:
    shown = _shown(NO_DEVICE)
    assert "the kernel accepted it; its own init() answered ENODEV" in shown
    assert "hello: no device" in shown
