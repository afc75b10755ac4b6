# SPDX-License-Identifier: GPL-2.0-or-later
"""What verbs share that run many cells: their flags, and the plan that flags, SOURCEs and dlkm.toml make together."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlkm.core.errors import UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from dlkm.kernel.kernel import Kernel
    from dlkm.matrix.plan import Plan, PlannedKernel, RunSetting
    from dlkm.matrix.reader import ProjectFile
    from dlkm.matrix.sources import Source

PROJECT = "dlkm.toml"  # matrix/declaration.py, which takes a while to load


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A plan with where its results go, and what else holds for all of it; `file` None where SOURCEs were named."""

    plan: "Plan"
    output: Path
    settings: "tuple[RunSetting, ...]"
    file: "ProjectFile | None"

    @property
    def kernels(self) -> "tuple[Kernel, ...]":
        """Those that a cell is for, each once."""
        return tuple({cell.kernel.id: cell.kernel for cell in self.plan.cells}.values())


def add_cell_flags(parser: argparse.ArgumentParser) -> None:
    """`--only`, `--skip`."""
    add = parser.add_argument_group("cells (SOURCE@KERNEL)").add_argument
    words = "a glob with {braces} over SOURCE@KERNEL, or one of the two; may be given again"
    add("--only", action="append", default=[], metavar="SELECTOR", help=f"only these cells: {words}")
    add("--skip", action="append", default=[], metavar="SELECTOR", help="not these cells")


def has_project() -> bool:
    """Whether the current directory has a project file: what a verb without SOURCE runs."""
    return Path(PROJECT).is_file()


def runs_project(arguments: argparse.Namespace, words: Sequence[object]) -> bool:
    """Whether a verb that takes files too is to run the project here. UsageError for selectors where it is not."""
    if not words and has_project():
        return True
    if arguments.only or arguments.skip:
        raise UsageError(
            f"--only and --skip choose among the cells of {PROJECT}",
            hint="here files are named" if words else f"there is no {PROJECT} here",
        )
    return False


def project_of(
    arguments: argparse.Namespace, sources: Sequence[Path], terminal: Terminal, *, unverified: bool = False
) -> Project:
    """The plan of a run: of the SOURCEs that are named, else of dlkm.toml here, else of the driver here.

    Flags win over the file. Sets what the file says where no flag does (`arguments.machine` …). `unverified`: kernels
    are only to be named. Errors as `find_sources`, `resolve`, `read_project` and `plan` raise them.
    """
    from dlkm.cli.build import flags_of
    from dlkm.matrix.plan import plan
    from dlkm.matrix.reader import read_project

    file = read_project(Path(PROJECT)) if not sources and has_project() else None
    settings = _fill_in(arguments, file)
    found = _sources(arguments, sources, file)
    made = plan(found, _kernels(arguments, file, terminal, unverified=unverified), flags_of(arguments), file)
    for warning in made.warnings:
        terminal.events.warning(warning)
    return Project(plan=made, output=arguments.output, settings=settings, file=file)


def _sources(
    arguments: argparse.Namespace, sources: Sequence[Path], file: "ProjectFile | None"
) -> "tuple[Source, ...]":
    from dlkm.matrix.declaration import SourceTable
    from dlkm.matrix.sources import find_sources

    if file is None:
        named = [SourceTable(path=str(path), subdir=arguments.subdir) for path in sources or [Path()]]
        try:
            return find_sources(named)
        except UsageError as error:
            hint = None if sources else f"name a SOURCE, or describe a project in {PROJECT}: docs/how-to/matrix.md"
            raise UsageError(error.what, hint=hint or error.hint) from error
    if arguments.subdir:
        raise UsageError("--subdir needs a SOURCE", hint=f"in {PROJECT}, sources have a subdir of their own")
    if not file.declared.sources:
        raise UsageError(f"{PROJECT} names no source", hint='sources = ["DIR"]; see docs/how-to/matrix.md')
    where = [file.where("sources", number) for number in range(len(file.declared.sources))]
    return find_sources(file.declared.sources, where)


def _kernels(
    arguments: argparse.Namespace, file: "ProjectFile | None", terminal: Terminal, *, unverified: bool
) -> "tuple[PlannedKernel, ...]":
    from dlkm.core.processes import Processes
    from dlkm.kernel.pool import Pool
    from dlkm.kernel.select import Given, resolve, resolve_each
    from dlkm.matrix.plan import PlannedKernel

    given = Given(lock=arguments.locked, unverified=unverified)
    pool, runner = Pool(), Processes()
    if arguments.kernels:
        found = resolve(arguments.kernels, pool, terminal.events, runner, given=given)
        return tuple(PlannedKernel(kernel=kernel) for kernel in found)
    words = [one.spec for one in file.declared.kernels] if file is not None else []
    if not words:
        raise UsageError("no kernel to build for", hint=f"name one: -k debian:RELEASE, or kernels = [...] in {PROJECT}")
    groups = resolve_each(words, pool, terminal.events, runner, given)
    kernels = {kernel.id: kernel for group in groups for kernel in group}
    return tuple(
        PlannedKernel(
            kernel=kernel,
            entries=tuple(number for number, group in enumerate(groups) if any(one.id == name for one in group)),
        )
        for name, kernel in kernels.items()
    )


# What is said for a whole run: by a flag, which the parser keeps under a name, and by a key of the file.
_RUN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("-o", "output", ("output",)),
    ("--machine", "machine", ("recipes", "machine")),
    ("--distro", "distro", ("recipes", "distro")),
    ("--yocto", "yocto", ("recipes", "yocto")),
    ("--source-mirror", "source_mirror", ("recipes", "source-mirror")),
    ("--offline", "offline", ("recipes", "offline")),
    ("--layer", "layers", ("recipes", "layers")),
    ("--conf", "conf", ("recipes", "conf")),
)


def _fill_in(arguments: argparse.Namespace, file: "ProjectFile | None") -> "tuple[RunSetting, ...]":
    """Let the file say what no flag does; of lists both count. Gives what was said, and by whom."""
    from dlkm.matrix.plan import RunSetting

    settings = []
    for word, name, place in _RUN:
        flag, told = getattr(arguments, name), _told(file, place)
        several = isinstance(flag, list)
        value = [*map(Path, told or ()), *flag] if several else flag or told
        where = [file.where(*place)] if file is not None and told and (several or not flag) else []
        where += [word] if flag else []
        if where:
            shown = ", ".join(map(str, value)) if several else str(value)
            settings.append(RunSetting(name=place[-1], value=shown, where=", ".join(where)))
        setattr(arguments, name, value)
    arguments.output = Path(arguments.output or "out")
    return tuple(settings)


def _told(file: "ProjectFile | None", place: Sequence[str]) -> Any:
    """What the file itself says at a place; None where it says nothing."""
    if file is None or tuple(place) not in file.lines:
        return None
    value: Any = file.declared
    for part in place:
        value = getattr(value, part.replace("-", "_"))
    return value
