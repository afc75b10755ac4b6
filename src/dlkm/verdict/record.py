# SPDX-License-Identifier: GPL-2.0-or-later
"""verdict.json: the last verdicts on the modules of one build, kept beside them. Judges nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlkm.core.records import VERDICT, Mark, read_record, text_of, write_record
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict

SCHEMA = "dlkm.verdict-record/1"
_LIMIT = 16 << 20  # bytes; one verdict has some hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecord:
    """`verdicts` and `marks` are by the module's file name. `identity` is the kernel's; `command` asks again.

    `when` is a moment in UTC, as ISO 8601 has it.
    """

    kernel: str
    identity: str
    command: tuple[str, ...]
    when: str
    marks: Mapping[str, Mark]
    verdicts: Mapping[str, Verdict]


def write_verdicts(folder: Path, record: VerdictRecord) -> None:
    """Into a build's output directory, in place of an older one. StorageError when it cannot be written."""
    modules = {
        name: {"mark": asdict(record.marks[name]), "verdict": asdict(verdict)}
        for name, verdict in record.verdicts.items()
    }
    table = {"kernel": record.kernel, "identity": record.identity, "command": record.command, "when": record.when}
    write_record(folder / VERDICT, SCHEMA, table | {"modules": modules})


def read_verdicts(folder: Path) -> VerdictRecord | None:
    """None where there is none, or none that can be read."""
    table = read_record(folder / VERDICT, SCHEMA, _LIMIT)
    if table is None:
        return None
    try:
        modules: dict[str, Any] = table["modules"]
        return VerdictRecord(
            kernel=text_of(table["kernel"]),
            identity=text_of(table["identity"]),
            command=tuple(map(text_of, table["command"])),
            when=text_of(table["when"]),
            marks={name: Mark.parse(entry["mark"]) for name, entry in modules.items()},
            verdicts={name: _verdict(entry["verdict"]) for name, entry in modules.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _verdict(entry: Mapping[str, Any]) -> Verdict:
    return Verdict(
        path=text_of(entry["path"]),
        module=text_of(entry["module"]),
        kernel=text_of(entry["kernel"]),
        outcome=Outcome(entry["outcome"]),
        errno=None if entry["errno"] is None else text_of(entry["errno"]),
        log=tuple(map(text_of, entry["log"])),
        taint=text_of(entry["taint"]),
        findings=tuple(map(_finding, entry["findings"])),
    )


def _finding(entry: Mapping[str, Any]) -> Finding:
    return Finding(
        rule=text_of(entry["rule"]),
        severity=Severity(entry["severity"]),
        message=text_of(entry["message"]),
        hint=text_of(entry["hint"]),
        masked=bool(entry["masked"]),
    )
