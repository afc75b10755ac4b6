# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings as SARIF 2.1.0, the form in which code hosts show them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dlkm import __version__
from dlkm.core.errors import DlkmError
from dlkm.core.files import write_atomically
from dlkm.core.text import utf8
from dlkm.rootfs.audit import Audit
from dlkm.rootfs.auditrules import Finding as Audited
from dlkm.verdict.verdict import Finding, Severity, Verdict

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def write_sarif(path: Path, verdicts: Sequence[Verdict], errors: Sequence[DlkmError] = ()) -> None:
    """Write one run with a result for each finding that is not masked; `errors` say what could not be judged."""
    _write(path, sarif(verdicts, errors))


def write_audit_sarif(path: Path, audit: Audit) -> None:
    """Write one run with a result for each finding of an audit; places are relative to the root."""
    _write(path, audit_sarif(audit))


def sarif(verdicts: Sequence[Verdict], errors: Sequence[DlkmError] = ()) -> dict[str, Any]:
    """The SARIF log of a check as a value."""
    found = [(verdict, finding) for verdict in verdicts for finding in verdict.findings if not finding.masked]
    places = _places(finding.rule for _, finding in found)
    results = [_result(verdict, finding, places[finding.rule]) for verdict, finding in found]
    return _log("dlkm check", places, results, errors)


def audit_sarif(audit: Audit) -> dict[str, Any]:
    """The SARIF log of an audit as a value."""
    places = _places(one.rule for one in audit.findings)
    return _log("dlkm audit", places, [_audited(one, places[one.rule]) for one in audit.findings])


def _write(path: Path, log: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(log, indent=1, ensure_ascii=True) + "\n")


def _places(rules: Iterable[str]) -> dict[str, int]:
    """Each rule that was broken, and its place in the list of rules."""
    return {name: place for place, name in enumerate(sorted(set(rules)))}


def _log(
    tool: str, rules: Iterable[str], results: Sequence[dict[str, Any]], errors: Sequence[DlkmError] = ()
) -> dict[str, Any]:
    run = {
        "tool": {"driver": {"name": tool, "version": __version__, "rules": list(map(_rule, rules))}},
        "invocations": [
            {
                "executionSuccessful": not errors,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": utf8(error.what)}} for error in errors
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": list(results),
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": name.replace("-", " ")}}


def _result(verdict: Verdict, finding: Finding, place: int) -> dict[str, Any]:
    said = "".join(f"\n{line}" for line in verdict.log) if finding.severity is Severity.ERROR else ""
    what = f"{verdict.module} on {verdict.kernel}: {finding.message}{said}"
    return {
        "ruleId": finding.rule,
        "ruleIndex": place,
        "level": _LEVELS[finding.severity],
        "message": {"text": utf8(f"{what}\n{finding.hint}" if finding.hint else what)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(verdict.path)}}}],
        "properties": {"kernel": verdict.kernel, "module": verdict.module, "errno": verdict.errno},
    }


def _audited(one: Audited, place: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(one.path or ".")}}
    if one.line:
        location["region"] = {"startLine": one.line}
    return {
        "ruleId": one.rule,
        "ruleIndex": place,
        "level": _LEVELS[one.severity],
        "message": {"text": utf8(f"{one.message}\n{one.hint}" if one.hint else one.message)},
        "locations": [{"physicalLocation": location}],
        "properties": {"kernel": one.kernel, "module": one.module},
    }


def _uri(path: str) -> str:
    """A URI reference: relative as given, so that it is found in a repository; absolute as file://."""
    plain = quote(Path(path).as_posix(), errors="surrogateescape")
    return f"file://{plain}" if plain.startswith("/") else plain.replace(":", "%3A")
