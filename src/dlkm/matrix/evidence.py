# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps beside each build what was found out of its modules, with the command that finds it out again."""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dlkm.build.result import Cell
from dlkm.core.errors import DlkmError
from dlkm.core.records import Mark
from dlkm.kernel.identity import identity_of
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.prove.case import Case, Cases
from dlkm.prove.record import ProofRecord, Proven, TrialRecord, write_proof
from dlkm.verdict.record import VerdictRecord, read_verdicts, write_verdicts
from dlkm.verdict.verdict import Verdict


def command_for(verb: str, cell: Cell, kernel: Kernel, *, project: bool) -> tuple[str, ...]:
    """What a user types to have it found out again: for a cell of a project where the project is, else of its build."""
    if project:
        return ("dlkm", verb, "--only", cell.id)
    return ("dlkm", verb, str(cell.modules[0].path.parent), "-k", kernel.origin)


def keep_verdicts(cells: Iterable[Cell], verdicts: Sequence[Verdict], kernel: Kernel, *, project: bool) -> None:
    """Beside each build for this kernel whose modules were all judged. A place that cannot be written keeps nothing."""
    by_path = {Path(one.path): one for one in verdicts if one.kernel == kernel.id}
    for folder, cell, names in _whole(cells, by_path, kernel):
        with suppress(DlkmError, OSError):
            record = VerdictRecord(
                kernel=kernel.id,
                identity=identity_of(kernel, Pool()),
                command=command_for("check", cell, kernel, project=project),
                when=now(),
                marks={name: Mark.of(path) for name, path in names.items()},
                verdicts={name: replace(by_path[path], path=name) for name, path in names.items()},
            )
            before = read_verdicts(folder)
            # Written only when it says something new: who looks at times must not find change where there is none.
            if before is None or replace(before, when=record.when) != record:
                write_verdicts(folder, record)


def keep_proofs(cells: Iterable[Cell], found: Cases, kernel: Kernel, *, project: bool) -> None:
    """Beside each build for this kernel whose modules were all tried. A place that cannot be written keeps nothing."""
    by_path = {case.path: case for case in found.cases}
    for folder, cell, names in _whole(cells, by_path, kernel):
        tests = [one for one in found.trials if one.cell == cell.id]
        with suppress(DlkmError, OSError):
            record = ProofRecord(
                kernel=kernel.id,
                identity=identity_of(kernel, Pool()),
                command=command_for("prove", cell, kernel, project=project),
                when=now(),
                modules={name: _proven(by_path[path]) for name, path in names.items()},
                tests=tuple(
                    TrialRecord(name=one.name, outcome=one.outcome, why=one.why, digest=one.digest) for one in tests
                ),
            )
            write_proof(folder, record)


def _proven(case: Case) -> Proven:
    seen = case.observed
    return Proven(
        mark=Mark.of(case.path),
        outcome=seen.outcome,
        agreement=case.agreement,
        errno=seen.errno,
        log=seen.log,
        trouble=seen.trouble,
    )


def _whole(
    cells: Iterable[Cell], answered: Collection[Path], kernel: Kernel
) -> Iterator[tuple[Path, Cell, dict[str, Path]]]:
    """The builds for this kernel of which there is an answer for each module: their directory, and these by name."""
    known = set(answered)
    for cell in cells:
        names = {module.path.name: module.path for module in cell.modules}
        if names and cell.kernel == kernel.id and known >= set(names.values()):
            yield cell.modules[0].path.parent, cell, names


def now() -> str:
    """This moment in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
