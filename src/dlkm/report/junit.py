# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts as JUnit XML, the form in which CI servers show tests: a suite a kernel, a case a module."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from dlkm.core.errors import DlkmError
from dlkm.core.files import write_atomically
from dlkm.report.terminal import printable
from dlkm.verdict.verdict import Outcome, Severity, Verdict

if TYPE_CHECKING:
    from dlkm.matrix.plan import Expected


def write_junit(
    path: Path,
    verdicts: Sequence[Verdict],
    errors: Sequence[DlkmError] = (),
    expected: "Mapping[str, Expected] | None" = None,
) -> None:
    """Write the suites.

    What does not load is a failure, what cannot be told skipped, what cannot be read an error. What is `expected` not
    to load is skipped when it does not, and a failure when it does.
    """
    write_atomically(path, junit(verdicts, errors, expected))


def junit(
    verdicts: Sequence[Verdict],
    errors: Sequence[DlkmError] = (),
    expected: "Mapping[str, Expected] | None" = None,
) -> str:
    """The XML as text."""
    kernels = dict.fromkeys(verdict.kernel for verdict in verdicts)
    suites = [_suite(kernel, [one for one in verdicts if one.kernel == kernel], expected or {}) for kernel in kernels]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{"".join(suites)}{_unjudged(errors)}</testsuites>\n'


def _unjudged(errors: Sequence[DlkmError]) -> str:
    if not errors:
        return ""
    cases = [
        f'<testcase name={quoteattr(printable(error.what))} classname="input">'
        f"<error message={quoteattr(type(error).__name__)}>{escape(printable(error.what))}</error></testcase>\n"
        for error in errors
    ]
    counts = f'tests="{len(cases)}" failures="0" errors="{len(cases)}" skipped="0"'
    return f'<testsuite name="not judged" {counts}>\n{"".join(cases)}</testsuite>\n'


def _suite(kernel: str, verdicts: Sequence[Verdict], expected: "Mapping[str, Expected]") -> str:
    cases = [_case(verdict, expected.get(verdict.path)) for verdict in verdicts]
    failures, skipped = (sum(f"<{word}" in case for case in cases) for word in ("failure", "skipped"))
    head = f'name={quoteattr(kernel)} tests="{len(verdicts)}" failures="{failures}" errors="0" skipped="{skipped}"'
    return f"<testsuite {head}>\n{''.join(cases)}</testsuite>\n"


def _case(verdict: Verdict, expected: "Expected | None") -> str:
    name = f"name={quoteattr(printable(verdict.module))} classname={quoteattr(printable(verdict.path))}"
    if verdict.outcome is Outcome.LOADS:
        if expected is not None and expected.strict:
            message = quoteattr(f"loads, against expectation: {expected.reason}")
            return f"<testcase {name}><failure message={message}/></testcase>\n"
        return f"<testcase {name}/>\n"
    fails = verdict.outcome is Outcome.FAILS
    wanted = Severity.ERROR if fails else Severity.WARNING
    reasons = [finding.message for finding in verdict.findings if finding.severity is wanted and not finding.masked]
    text = "\n".join(printable(line) for line in (*verdict.log, *reasons))
    element = "failure" if fails and expected is None else "skipped"
    known = f"as expected: {expected.reason}" if fails and expected is not None else ""
    message = quoteattr(known or verdict.errno or "cannot tell")
    return f"<testcase {name}><{element} message={message}>{escape(text)}</{element}></testcase>\n"
