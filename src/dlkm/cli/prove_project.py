# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm prove` in a project: every cell that was built, on its own kernel, with the tests that dlkm.toml declares."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlkm.build.result import Cell
from dlkm.cli.build import build_project
from dlkm.cli.project import Project, project_of
from dlkm.core.errors import DlkmError
from dlkm.core.processes import Processes
from dlkm.kernel.kernel import Kernel
from dlkm.matrix.evidence import keep_proofs
from dlkm.matrix.outcome import Standing, expected_loads, surprised
from dlkm.matrix.trials import Preparing
from dlkm.prove.attempt import ProveOptions
from dlkm.prove.case import Cases, prove_files
from dlkm.report.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What was proven on each kernel, and why some cells brought nothing to prove.

    `failing` are the files that are expected not to load, and whether it is wrong that one does. `surprised`: a cell
    was built that is expected to fail.
    """

    found: Sequence[Cases]
    failed: Sequence[Cell] = ()
    errors: Sequence[DlkmError] = ()
    failing: Mapping[str, bool] = field(default_factory=dict)
    surprised: bool = False


def prove_project(arguments: argparse.Namespace, terminal: Terminal, options: ProveOptions) -> Proofs:
    """Build every cell, and prove on its own kernel what was built."""
    project = project_of(arguments, (), terminal)
    results = build_project(project, arguments, terminal)
    built = {result.attempt.cell.id: result.attempt.cell for result in results if result.attempt.cell.modules}
    tried = [result for result in results if result.attempt.error is None]
    errors = [result.attempt.error for result in results if result.attempt.error is not None]
    found = []
    for kernel in project.kernels:
        try:
            found.append(_on(kernel, project, built, arguments, terminal, options))
        except DlkmError as error:  # a kernel that cannot be booted here does not keep the others from being
            errors.append(error)
    return Proofs(
        found=found,
        failed=[result.attempt.cell for result in tried if result.standing is Standing.FAILED],
        errors=errors,
        failing={path: one.strict for path, one in expected_loads(results, project.plan.cells).items()},
        surprised=surprised(results),
    )


def _on(
    kernel: Kernel,
    project: Project,
    built: dict[str, Cell],
    arguments: argparse.Namespace,
    terminal: Terminal,
    options: ProveOptions,
) -> Cases:
    """All cells of one kernel, in as few boots as may be."""
    planned = [cell for cell in project.plan.cells if cell.kernel.id == kernel.id and cell.id in built]
    cells = [built[cell.id] for cell in planned]
    if not cells:
        return Cases(boots=(), cases=())
    runner = Processes()
    preparing = Preparing(kernel, _folder(project), options.cache, runner)
    trials = [trial for cell in planned for trial in preparing.trials_of(cell, built[cell.id])]
    files = [module.path for cell in cells for module in cell.modules]
    found = prove_files(kernel, files, options, arguments.params, runner, terminal.events, trials)
    found = replace(found, trials=(*found.trials, *preparing.impossible))
    if not arguments.params and not arguments.cmdline:
        keep_proofs(cells, found, kernel, project=True)
    return found


def _folder(project: Project) -> Path:
    return project.file.folder if project.file is not None else Path()
