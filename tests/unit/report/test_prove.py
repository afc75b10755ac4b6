# SPDX-License-Identifier: GPL-2.0-or-later
"""Proofs as text and as dlkm.prove/1, and the exit status they make."""

import io
import json
from pathlib import Path

import pytest

from dlkm.build.result import BuildOutcome, Cell
from dlkm.core.errors import ExitStatus
from dlkm.prove.accelerator import Accelerator
from dlkm.prove.attempt import Boot, Observed
from dlkm.prove.case import Case, Expectation, status_of
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


def test_the_document_is_that_of_the_manual() -> None:
    made = json.loads(json.dumps(prove_document([BOOT], [REFUSED, SURPRISE])))
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
    assert json.loads(json.dumps(prove_document([], [], [cell])))["failed"] == [
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
    assert status_of(cases, expected) is status


def _shown(*cases: Case) -> str:
    out = io.StringIO()
    show([BOOT], cases, Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()))
    return out.getvalue()


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
