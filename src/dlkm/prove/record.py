# SPDX-License-Identifier: GPL-2.0-or-later
"""proof.json: what the booted kernel last did with the modules of one build, kept beside them. Boots nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlkm.core.records import PROOF, Mark, read_record, text_of, write_record
from dlkm.prove.agreement import Agreement
from dlkm.prove.trial import TrialOutcome
from dlkm.verdict.verdict import Outcome

SCHEMA = "dlkm.proof-record/1"
_LIMIT = 16 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """One module: what the booted kernel did, and how that stands to the prediction. Fields as in `Observed`."""

    mark: Mark
    outcome: Outcome
    agreement: Agreement
    errno: str | None = None
    log: tuple[str, ...] = ()
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One of the driver's own tests; `why` it did not pass, `digest` of what it was then."""

    name: str
    outcome: TrialOutcome
    why: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRecord:
    """`modules` are by file name. `identity` is the kernel's; `command` proves it again; `when` is UTC, ISO 8601."""

    kernel: str
    identity: str
    command: tuple[str, ...]
    when: str
    modules: Mapping[str, Proven]
    tests: tuple[TrialRecord, ...] = ()

    @property
    def marks(self) -> Mapping[str, Mark]:
        """What the modules were."""
        return {name: one.mark for name, one in self.modules.items()}


def write_proof(folder: Path, record: ProofRecord) -> None:
    """Into a build's output directory, in place of an older one. StorageError when it cannot be written."""
    write_record(folder / PROOF, SCHEMA, asdict(record))


def read_proof(folder: Path) -> ProofRecord | None:
    """None where there is none, or none that can be read."""
    table = read_record(folder / PROOF, SCHEMA, _LIMIT)
    if table is None:
        return None
    try:
        return ProofRecord(
            kernel=text_of(table["kernel"]),
            identity=text_of(table["identity"]),
            command=tuple(map(text_of, table["command"])),
            when=text_of(table["when"]),
            modules={name: _proven(entry) for name, entry in table["modules"].items()},
            tests=tuple(map(_tested, table["tests"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _proven(entry: Mapping[str, Any]) -> Proven:
    return Proven(
        mark=Mark.parse(entry["mark"]),
        outcome=Outcome(entry["outcome"]),
        agreement=Agreement(entry["agreement"]),
        errno=None if entry["errno"] is None else text_of(entry["errno"]),
        log=tuple(map(text_of, entry["log"])),
        trouble=None if entry["trouble"] is None else text_of(entry["trouble"]),
    )


def _tested(entry: Mapping[str, Any]) -> TrialRecord:
    return TrialRecord(
        name=text_of(entry["name"]),
        outcome=TrialOutcome(entry["outcome"]),
        why=text_of(entry["why"]),
        digest=text_of(entry["digest"]),
    )
