# SPDX-License-Identifier: GPL-2.0-or-later
"""build.json, the record of a build, by which later commands find what it made. Writes and reads, builds nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from dlkm.build.diagnostics import Diagnostic, Severity, Teller
from dlkm.build.result import BuildOutcome, BuiltModule, Cell
from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.files import write_atomically
from dlkm.core.records import text_of
from dlkm.source.leftovers import RECORD

SCHEMA = "dlkm.build-record/1"
LIMIT = 4 << 20  # bytes; a real one has two to forty thousand
_DIAGNOSTICS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How a cell came to be, beside what `Cell` says."""

    commands: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    compiler: str = ""
    sandboxed: bool = True
    diagnostics: tuple[Diagnostic, ...] = ()


def write_record(folder: Path, cell: Cell, evidence: Evidence) -> None:
    """Write the record into an output directory; paths in it are relative, so that the directory can be moved."""
    table = asdict(cell) | {
        "source": str(cell.source),
        "modules": [asdict(module) | {"path": module.path.name} for module in cell.modules],
        "symvers": None if cell.symvers is None else cell.symvers.name,
        "log": None if cell.log is None else cell.log.name,
    }
    how = asdict(replace(evidence, diagnostics=evidence.diagnostics[:_DIAGNOSTICS]))
    text = json.dumps({"schema": SCHEMA, "cell": table, "how": how}, indent=1, ensure_ascii=True)
    write_atomically(folder / RECORD, text + "\n")


def read_build(path: Path) -> Cell:
    """The cell of a BUILD: an output directory or its record.

    UsageError when there is none; MalformedError when it is no record, or names a file that is not there.
    """
    record = path / RECORD if path.is_dir() else path
    try:
        with record.open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except OSError as error:
        raise UsageError(
            f"{path} is no build: {record.name} cannot be read: {error.strerror}",
            hint="a build is the directory that `dlkm build` wrote, or the build.json in it",
        ) from error
    try:
        cell = _parse(json.loads(data if len(data) <= LIMIT else ""), record.parent)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedError(f"{record}: is no build record of {SCHEMA}") from error
    _check_files(cell, record)
    return cell


def is_build(path: Path) -> bool:
    """Whether a path looks like a BUILD: an output directory with a record, or a record."""
    return (path / RECORD).is_file() or (path.name == RECORD and path.is_file())


def _parse(table: Any, folder: Path) -> Cell:
    if not isinstance(table, dict) or table["schema"] != SCHEMA:
        raise ValueError(SCHEMA)
    cell = table["cell"]
    return Cell(
        id=text_of(cell["id"]),
        source=Path(text_of(cell["source"])),
        kernel=text_of(cell["kernel"]),
        arch=text_of(cell["arch"]),
        outcome=BuildOutcome(cell["outcome"]),
        reason=text_of(cell["reason"]),
        cached=bool(cell["cached"]),
        seconds=float(cell["seconds"]),
        modules=tuple(_module(entry, folder) for entry in cell["modules"]),
        symvers=_beside(cell["symvers"], folder),
        log=_beside(cell["log"], folder),
        packages=tuple(text_of(name) for name in cell.get("packages", ())),
        error=_diagnostic(cell.get("error")),
    )


def _diagnostic(entry: Any) -> Diagnostic | None:
    if entry is None:
        return None
    return Diagnostic(
        teller=Teller(entry["teller"]),
        severity=Severity(entry["severity"]),
        text=text_of(entry["text"]),
        file=None if entry["file"] is None else text_of(entry["file"]),
        line=None if entry["line"] is None else int(entry["line"]),
    )


def _module(entry: Any, folder: Path) -> BuiltModule:
    path = _beside(text_of(entry["path"]), folder)
    if path is None:
        raise ValueError(entry)
    destination = text_of(entry.get("destination", ""))
    if ".." in PurePosixPath(destination).parts:
        raise ValueError(entry)
    return BuiltModule(
        path=path, sha256=text_of(entry["sha256"]), vermagic=text_of(entry["vermagic"]), destination=destination
    )


def _beside(value: Any, folder: Path) -> Path | None:
    """A file in the record's own directory: a record must not lead anywhere else."""
    if value is None:
        return None
    name = PurePosixPath(text_of(value))
    if name.is_absolute() or len(name.parts) != 1 or name.parts[0] == "..":
        raise ValueError(value)
    return folder / name


def _check_files(cell: Cell, record: Path) -> None:
    for path in (*(module.path for module in cell.modules), *((cell.symvers,) if cell.symvers is not None else ())):
        if not path.is_file():
            raise MalformedError(f"{record}: names {path.name}, which is not there", hint="build it again")
