# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts as text for people and as dlkm.check/1."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlkm.core.errors import DlkmError
from dlkm.core.text import utf8
from dlkm.report.document import document, plain
from dlkm.report.terminal import Style, Terminal, printable
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict

if TYPE_CHECKING:
    from dlkm.matrix.plan import Expected

_STYLES = {Outcome.LOADS: Style.GOOD, Outcome.FAILS: Style.BAD, Outcome.CANNOT_TELL: Style.DOUBTFUL}
_WORDS = {Outcome.LOADS: "loads", Outcome.FAILS: "fails", Outcome.CANNOT_TELL: "cannot tell"}
_DETAILED = 20  # refused files that are told in full when many were judged


def check_document(
    verdicts: Sequence[Verdict], errors: Sequence[DlkmError] = (), expected: "Mapping[str, Expected] | None" = None
) -> dict[str, Any]:
    """dlkm.check/1; `errors` says of which files there is no verdict, and why.

    `expected_failure` is the reason why a project expects a module not to load, null where it does not.
    """
    why = expected or {}
    results = [
        {
            **plain(one),
            "path": utf8(one.path),
            "expected_failure": why[one.path].reason if one.path in why else None,
        }
        for one in verdicts
    ]
    return document("check", results=results, errors=tuple({"message": utf8(error.what)} for error in errors))


def show_expected(verdicts: Sequence[Verdict], expected: "Mapping[str, Expected]", terminal: Terminal) -> None:
    """Which of those that do not load were expected not to, and which load all the same."""
    for verdict in verdicts:
        one = expected.get(verdict.path)
        if one is not None and verdict.outcome is not Outcome.CANNOT_TELL:
            as_expected = verdict.outcome is Outcome.FAILS
            word = "as expected" if as_expected else terminal.styled("against expectation", Style.BAD)
            terminal.print(f"{printable(verdict.path)}: {_WORDS[verdict.outcome]}, {word}: {one.reason} ({one.where})")


def show(verdicts: Sequence[Verdict], terminal: Terminal, *, all_findings: bool = False) -> None:
    """One verdict in full; of several the table of modules and kernels first, then those that do not load."""
    if len(verdicts) == 1:
        _show_one(verdicts[0], terminal, all_findings=True)
        return
    _show_table(verdicts, terminal)
    doubtful = [one for one in verdicts if one.outcome is not Outcome.LOADS or (all_findings and one.findings)]
    shown = doubtful if all_findings else doubtful[:_DETAILED]
    for verdict in shown:
        terminal.print()
        _show_one(verdict, terminal, all_findings=all_findings)
    if len(shown) < len(doubtful):
        terminal.print(f"\n… and {len(doubtful) - len(shown)} more that do not load or cannot be told (-v shows all)")
    counts = Counter(verdict.outcome for verdict in verdicts)
    words = ", ".join(f"{counts[outcome]} {_WORDS[outcome]}" for outcome in Outcome if counts[outcome])
    terminal.print(f"\n{len(verdicts)} verdicts: {words}")
    warned = sum(one.outcome is Outcome.LOADS and _warns(one) for one in verdicts)
    if warned and not all_findings:
        terminal.print(f"warnings on {warned} of those that load (-v shows them)")


def _warns(verdict: Verdict) -> bool:
    return any(one.severity is Severity.WARNING and not one.masked for one in verdict.findings)


def _show_one(verdict: Verdict, terminal: Terminal, *, all_findings: bool) -> None:
    terminal.print(f"{printable(verdict.path)} on {verdict.kernel}: {_answer(verdict, terminal)}")
    if verdict.outcome is Outcome.FAILS:
        _show_log(verdict, terminal)
    for finding in verdict.findings:
        if not finding.masked:
            _show_finding(finding, terminal)
    masked = [finding for finding in verdict.findings if finding.masked]
    if masked and all_findings:
        terminal.print("  hidden behind that:")
        for finding in masked:
            terminal.print(f"    {finding.rule}: {printable(finding.message)}")


def _answer(verdict: Verdict, terminal: Terminal) -> str:
    word = terminal.styled(_WORDS[verdict.outcome], _STYLES[verdict.outcome])
    extra = verdict.errno or (f"taint {verdict.taint}" if verdict.taint else None)
    return word if extra is None else f"{word}, {extra}"


def _show_log(verdict: Verdict, terminal: Terminal) -> None:
    if not verdict.log:
        terminal.print("  the kernel says nothing")
        return
    terminal.print("  the kernel says:")
    for line in verdict.log:
        terminal.print(f"    {terminal.styled(printable(line), Style.STRONG)}")


def _show_finding(finding: Finding, terminal: Terminal) -> None:
    word = {Severity.ERROR: "cause", Severity.WARNING: "warning", Severity.NOTE: "note"}[finding.severity]
    terminal.print(f"  {word}: {printable(finding.message)}")
    if finding.hint:
        terminal.print(f"  what to do: {printable(finding.hint)}")


def _show_table(verdicts: Sequence[Verdict], terminal: Terminal) -> None:
    """A row a module, a column a kernel; where each module is for one kernel of several, that kernel beside it."""
    by_module: dict[str, dict[str, Verdict]] = {}
    for verdict in verdicts:
        by_module.setdefault(verdict.path, {})[verdict.kernel] = verdict
    if len(by_module) == len(verdicts) and len({verdict.kernel for verdict in verdicts}) > 1:
        rows = [[printable(one.path), one.kernel, _answer(one, terminal)] for one in verdicts]
        terminal.table(["MODULE", "KERNEL", ""], rows)
        return
    kernels = list(dict.fromkeys(kernel for row in by_module.values() for kernel in row))
    rows = [
        [printable(path), *(_answer(row[kernel], terminal) if kernel in row else "-" for kernel in kernels)]
        for path, row in by_module.items()
    ]
    terminal.table(["MODULE", *kernels], rows)
