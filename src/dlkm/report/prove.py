# SPDX-License-Identifier: GPL-2.0-or-later
"""Proofs as text for people and as dlkm.prove/1."""

from collections.abc import Sequence
from typing import Any

from dlkm.build.result import Cell
from dlkm.prove.agreement import Agreement, is_notice
from dlkm.prove.attempt import Boot, Observed
from dlkm.prove.case import Case, Cases
from dlkm.prove.trial import TrialOutcome, TrialResult
from dlkm.report.document import document
from dlkm.report.terminal import Style, Terminal, printable
from dlkm.verdict.verdict import Outcome, Verdict

_STYLES = {Outcome.LOADS: Style.GOOD, Outcome.FAILS: Style.BAD, Outcome.CANNOT_TELL: Style.DOUBTFUL}
_WORDS = {Outcome.LOADS: "loads", Outcome.FAILS: "fails", Outcome.CANNOT_TELL: "cannot tell"}
AGREEMENTS = {
    Agreement.AGREES: ("agree", Style.GOOD),
    Agreement.DIFFERS: ("DIFFER", Style.BAD),
    Agreement.OPEN: ("-", Style.DOUBTFUL),
}
_TRIALS = {TrialOutcome.PASSED: Style.GOOD, TrialOutcome.FAILED: Style.BAD, TrialOutcome.SKIPPED: Style.DOUBTFUL}
_SHOWN_LINES = 30  # of one module's log


def prove_document(found: Cases, failed: Sequence[Cell] = ()) -> dict[str, Any]:
    """dlkm.prove/1; `tests` are the drivers' own.

    `failed` are the builds that brought nothing to prove, with the names of dlkm.build/1.
    """
    return document(
        "prove",
        boots=found.boots,
        results=[_result(case) for case in found.cases],
        tests=[_test(trial) for trial in found.trials],
        failed=[
            {"id": cell.id, "source": cell.source, "kernel": cell.kernel, "reason": cell.reason, "log": cell.log}
            for cell in failed
        ],
    )


def _result(case: Case) -> dict[str, Any]:
    predicted, observed = case.predicted, case.observed
    return {
        "module": predicted.module,
        "path": case.path,
        "kernel": predicted.kernel,
        "predicted": {"outcome": predicted.outcome, "errno": predicted.errno, "log": predicted.log},
        "observed": {
            "outcome": observed.outcome,
            "errno": observed.errno,
            "log": observed.log,
            "output": observed.output,
            "taint": observed.taint,
            "accepted": observed.accepted,
            "trouble": observed.trouble,
            "afterwards": observed.afterwards,
            "console": observed.console,
            "notes": observed.notes,
        },
        "agree": case.agreement is not Agreement.DIFFERS,
    }


def _test(trial: TrialResult) -> dict[str, Any]:
    observed = trial.observed
    return {
        "name": trial.name,
        "cell": trial.cell,
        "module": trial.module,
        "kernel": trial.kernel,
        "outcome": trial.outcome,
        "why": trial.why,
        "log": [] if observed is None else [*observed.log, *observed.output],
        "program": None if observed is None else observed.ran,
    }


def show(found: Cases, terminal: Terminal) -> None:
    """The table of predictions and observations, that of tests, then what is worth more words."""
    terminal.table(["module", "kernel", "predicted", "observed", ""], [_row(case, terminal) for case in found.cases])
    for case in found.cases:
        _show_case(case, terminal)
    if found.trials:
        terminal.print()
        terminal.table(["test", "cell", "outcome", ""], [_test_row(trial, terminal) for trial in found.trials])
    for trial in found.trials:
        _show_trial(trial, terminal)
    terminal.print()
    show_boots(found.boots, terminal)


def show_boots(boots: Sequence[Boot], terminal: Terminal) -> None:
    """A line each."""
    for boot in boots:
        how = "resumed a kept guest of" if boot.resumed else "booted"
        terminal.print(f"{how} {boot.kernel} ({boot.accelerator}): {boot.seconds:.1f} s")


def _row(case: Case, terminal: Terminal) -> list[str]:
    word, style = AGREEMENTS[case.agreement]
    return [
        printable(case.predicted.module),
        case.predicted.kernel,
        _answer(case.predicted, terminal),
        _answer(case.observed, terminal),
        terminal.styled(word, style),
    ]


def _test_row(trial: TrialResult, terminal: Terminal) -> list[str]:
    outcome = terminal.styled(trial.outcome.value, _TRIALS[trial.outcome])
    return [trial.name, trial.cell, outcome, printable(trial.why)]


def _show_trial(trial: TrialResult, terminal: Terminal) -> None:
    """What a failed test said."""
    if trial.outcome is not TrialOutcome.FAILED or trial.observed is None:
        return
    observed = trial.observed
    said = observed.ran.said if observed.ran is not None else ()
    logged = [line for line in (*observed.log, *observed.output) if not is_notice(line)]
    terminal.print(f"\n{trial.name} of {trial.cell}:")
    for line in (*(_quoted("its program said:", said) if said else ()), *_quoted("the kernel's log:", logged)):
        terminal.print(f"  {line}")


def _answer(answer: Verdict | Observed, terminal: Terminal) -> str:
    word = terminal.styled(_WORDS[answer.outcome], _STYLES[answer.outcome])
    return f"{word}, {answer.errno}" if answer.errno is not None else word


def _show_case(case: Case, terminal: Terminal) -> None:
    lines = list(_words(case))
    if lines:
        terminal.print()
        terminal.print(f"{printable(str(case.path))} on {case.predicted.kernel}:")
        for line in lines:
            terminal.print(f"  {line}")


def _words(case: Case) -> list[str]:
    observed = case.observed
    lines = [printable(note) for note in observed.notes]
    if observed.trouble is not None:
        where = f" (its console: {observed.console})" if observed.console is not None else ""
        lines.append(f"{printable(observed.trouble)}{where}")
    elif observed.accepted and observed.outcome is Outcome.FAILS:
        lines.append(f"the kernel accepted it; its own init() answered {observed.errno}")
        lines += _quoted("it said:", [line for line in observed.output if not is_notice(line)])
    if case.agreement is Agreement.DIFFERS and case.predicted.log != observed.log:
        lines += _quoted("predicted:", case.predicted.log) + _quoted("observed:", observed.log)
    elif observed.log:
        lines += _quoted("the kernel says:", observed.log)
    return lines


def _quoted(head: str, log: Sequence[str]) -> list[str]:
    shown = [f"  {printable(line)}" for line in log[:_SHOWN_LINES]] or ["  (nothing)"]
    more = [f"  … and {len(log) - _SHOWN_LINES} lines more"] if len(log) > _SHOWN_LINES else []
    return [head, *shown, *more]
