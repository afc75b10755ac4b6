# SPDX-License-Identifier: GPL-2.0-or-later
"""The project file's tests as trials of what was built. Compiles what they run; boots nothing."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

from dlkm.build.result import Cell
from dlkm.core.errors import DlkmError, UsageError
from dlkm.core.names import module_name, normalise_module_name
from dlkm.core.processes import Runner
from dlkm.kernel.kernel import Kernel
from dlkm.matrix.declaration import GuestTestTable
from dlkm.matrix.plan import PlannedCell
from dlkm.prove.attempt import Program
from dlkm.prove.program import program_at
from dlkm.prove.trial import Trial, TrialOutcome, TrialResult


class Preparing:
    """Trials for one kernel; a program that several cells run is compiled once."""

    def __init__(self, kernel: Kernel, folder: Path, cache: Path, runner: Runner) -> None:
        self._kernel, self._folder, self._cache, self._runner = kernel, folder, cache, runner
        self._programs: dict[GuestTestTable, Program] = {}
        self.impossible: list[TrialResult] = []

    def trials_of(self, planned: PlannedCell, cell: Cell) -> tuple[Trial, ...]:
        """The tests of one cell that was built; what cannot be tried is noted as failed.

        Errors as `program_at` for a program that is none: that is the project file's fault, not the cell's.
        """
        found = []
        for test in planned.tests:
            try:
                module = _module(test, [module.path for module in cell.modules])
            except UsageError as error:
                self.impossible.append(self._impossible(test, planned.id, error.what))
                continue
            found.append(
                Trial(
                    name=test.name,
                    cell=planned.id,
                    module=module,
                    parameters=test.parameters,
                    errno=test.errno,
                    log=test.log,
                    program=self._program(test),
                    digest=digest_of(test, self._folder),
                )
            )
        return tuple(found)

    def _impossible(self, test: GuestTestTable, cell: str, why: str) -> TrialResult:
        return TrialResult(
            name=test.name,
            cell=cell,
            module=None,
            kernel=self._kernel.id,
            outcome=TrialOutcome.FAILED,
            why=f"cannot be tried: {why}",
            digest=digest_of(test, self._folder),
        )

    def _program(self, test: GuestTestTable) -> Program | None:
        if test.run is None:
            return None
        if test not in self._programs:
            arch, path = self._kernel.arch, self._folder / test.run
            try:
                found = program_at(path, test.arguments, test.timeout, arch, self._cache, self._runner)
            except DlkmError as error:
                raise type(error)(f"test {test.name}: {error.what}", hint=error.hint) from error
            self._programs[test] = found
        return self._programs[test]


def _module(test: GuestTestTable, paths: Sequence[Path]) -> Path:
    """The module that a test is for; UsageError when that is not clear."""
    names = {module_name(path.name): path for path in paths}
    if test.module is None:
        if len(names) == 1:
            return next(iter(names.values()))
        raise UsageError(f"which of its modules is it for? {', '.join(names)}: name it with module")
    found = names.get(normalise_module_name(test.module))
    if found is None:
        raise UsageError(f"there is no module {test.module} among {', '.join(names)}")
    return found


def digest_of(test: GuestTestTable, folder: Path) -> str:
    """SHA-256 over what a test is: its keys, and the bytes of what it runs."""
    state = hashlib.sha256(repr(astuple(test)).encode("utf-8", "surrogateescape"))
    if test.run is not None:
        with suppress(OSError):
            state.update((folder / test.run).read_bytes())
    return state.hexdigest()
