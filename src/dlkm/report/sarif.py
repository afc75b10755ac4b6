# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings as SARIF 2.1.0, the form in which code hosts show them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlkm import __version__
from dlkm.core.files import write_atomically
from dlkm.verdict.verdict import Finding, Severity, Verdict

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def write_sarif(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write one run with a result for each finding that is not masked."""
    write_atomically(path, json.dumps(sarif(verdicts), indent=1, ensure_ascii=True) + "\n")


def sarif(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The SARIF log as a value."""
    results = [_result(verdict, finding) for verdict in verdicts for finding in verdict.findings if not finding.masked]
    rules = [{"id": rule} for rule in sorted({str(result["ruleId"]) for result in results})]
    driver = {"name": "dlkm check", "version": __version__, "rules": rules}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    said = "".join(f"\n{line}" for line in verdict.log) if finding.severity is Severity.ERROR else ""
    what = f"{verdict.module} on {verdict.kernel}: {finding.message}{said}"
    return {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{what}\n{finding.hint}" if finding.hint else what},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": Path(verdict.path).as_posix()}}}],
    }
