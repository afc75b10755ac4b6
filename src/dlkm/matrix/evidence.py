# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps beside each build what was found out of its modules, with the command that finds it out again."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dlkm.build.result import Cell
from dlkm.core.errors import DlkmError
from dlkm.core.records import Mark
from dlkm.kernel.identity import identity_of
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.verdict.record import VerdictRecord, read_verdicts, write_verdicts
from dlkm.verdict.verdict import Verdict


def command_for(verb: str, cell: Cell, kernel: Kernel, *, project: bool) -> tuple[str, ...]:
    """What a user types to have it found out again: for a cell of a project where the project is, else of its build."""
    if project:
        return ("dlkm", verb, "--only", cell.id)
    folder = folder_of(cell)
    return ("dlkm", verb, str(folder if folder is not None else cell.source), "-k", kernel.origin)


def folder_of(cell: Cell) -> Path | None:
    """The output directory of a build that made something."""
    return cell.modules[0].path.parent if cell.modules else None


def keep_verdicts(cells: Iterable[Cell], verdicts: Sequence[Verdict], kernel: Kernel, *, project: bool) -> None:
    """Beside each build for this kernel whose modules were all judged. A place that cannot be written keeps nothing."""
    by_path: Mapping[str, Verdict] = {one.path: one for one in verdicts if one.kernel == kernel.id}
    identity = ""
    for cell in cells:
        names = {module.path.name: str(module.path) for module in cell.modules}
        folder = folder_of(cell)
        if folder is None or cell.kernel != kernel.id or not by_path.keys() >= set(names.values()):
            continue
        identity = identity or identity_of(kernel, Pool())
        with suppress(DlkmError, OSError):
            record = VerdictRecord(
                kernel=kernel.id,
                identity=identity,
                command=command_for("check", cell, kernel, project=project),
                when=now(),
                marks={name: Mark.of(Path(path)) for name, path in names.items()},
                verdicts={name: replace(by_path[path], path=name) for name, path in names.items()},
            )
            before = read_verdicts(folder)
            # Written only when it says something new: who looks at times must not find change where there is none.
            if before is None or replace(before, when=record.when) != record:
                write_verdicts(folder, record)


def now() -> str:
    """This moment in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
