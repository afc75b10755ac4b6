# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings on recipes and what was mended, as text for people and as documents."""

import difflib
from collections.abc import Sequence
from typing import Any

from dlkm.report.document import document
from dlkm.report.terminal import Style, Terminal, printable
from dlkm.yocto.fix import Mended
from dlkm.yocto.lint import Report, Severity

_STYLES = {Severity.ERROR: Style.BAD, Severity.WARNING: Style.DOUBTFUL, Severity.NOTE: Style.FAINT}


def lint_document(reports: Sequence[Report]) -> dict[str, Any]:
    """dlkm.recipe-lint/1: each finding with file, line, rule, severity, message, hint and whether `fix` mends it."""
    recipes = [report.path for report in reports]
    findings = [finding for report in reports for finding in report.findings]
    return document("recipe-lint", release=reports[0].release, recipes=recipes, findings=findings)


def fix_document(mended: Sequence[Mended], *, written: bool) -> dict[str, Any]:
    """dlkm.recipe-fix/1: each recipe, whether anything changed, and the difference."""
    recipes = [{"path": one.path, "changed": one.changed, "diff": difference(one)} for one in mended]
    return document("recipe-fix", written=written, recipes=recipes)


def show_findings(reports: Sequence[Report], terminal: Terminal) -> None:
    """`FILE:LINE: severity: message [rule]`, and what to do below it."""
    for report in reports:
        for finding in report.findings:
            word = terminal.styled(finding.severity, _STYLES[finding.severity])
            place = f"{printable(finding.file)}:{finding.line}"
            terminal.print(f"{place}: {word}: {printable(finding.message)} [{finding.rule}]")
            terminal.print(f"  ({printable(finding.hint)})")
        if not report.findings:
            terminal.print(f"{printable(report.path)}: nothing found")


def difference(mended: Mended) -> str:
    """The change as a unified diff that `patch -p1` takes from the recipe's directory; "" for none."""
    name = mended.path.name
    before, after = (text.splitlines(keepends=True) for text in (mended.before, mended.after))
    return "".join(_marked(line) for line in difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))


def _marked(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
