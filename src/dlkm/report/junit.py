# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts as JUnit XML, the form in which CI servers show tests: a suite a kernel, a case a module."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from dlkm.core.errors import DlkmError
from dlkm.core.files import write_atomically
from dlkm.report.terminal import printable
from dlkm.verdict.verdict import Outcome, Severity, Verdict


def write_junit(path: Path, verdicts: Sequence[Verdict], errors: Sequence[DlkmError] = ()) -> None:
    """Write the suites; what does not load is a failure, what cannot be told skipped, what cannot be read an error."""
    write_atomically(path, junit(verdicts, errors))


def junit(verdicts: Sequence[Verdict], errors: Sequence[DlkmError] = ()) -> str:
    """The XML as text."""
    kernels = dict.fromkeys(verdict.kernel for verdict in verdicts)
    suites = [_suite(kernel, [one for one in verdicts if one.kernel == kernel]) for kernel in kernels]
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


def _suite(kernel: str, verdicts: Sequence[Verdict]) -> str:
    failures = sum(verdict.outcome is Outcome.FAILS for verdict in verdicts)
    skipped = sum(verdict.outcome is Outcome.CANNOT_TELL for verdict in verdicts)
    head = f'name={quoteattr(kernel)} tests="{len(verdicts)}" failures="{failures}" errors="0" skipped="{skipped}"'
    return f"<testsuite {head}>\n{''.join(map(_case, verdicts))}</testsuite>\n"


def _case(verdict: Verdict) -> str:
    name = f"name={quoteattr(printable(verdict.module))} classname={quoteattr(printable(verdict.path))}"
    if verdict.outcome is Outcome.LOADS:
        return f"<testcase {name}/>\n"
    element = "failure" if verdict.outcome is Outcome.FAILS else "skipped"
    wanted = Severity.ERROR if verdict.outcome is Outcome.FAILS else Severity.WARNING
    reasons = [finding.message for finding in verdict.findings if finding.severity is wanted and not finding.masked]
    text = "\n".join(printable(line) for line in (*verdict.log, *reasons))
    message = quoteattr(verdict.errno or "cannot tell")
    return f"<testcase {name}><{element} message={message}>{escape(text)}</{element}></testcase>\n"
