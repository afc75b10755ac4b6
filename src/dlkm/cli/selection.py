# SPDX-License-Identifier: GPL-2.0-or-later
"""The PATHs of `dlkm check`: the module files that they name for each kernel, and what is known of their builds."""

import argparse
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.core.errors import DlkmError, NothingSelectedError, UsageError
from dlkm.core.suffixes import MODULE_SUFFIXES
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from dlkm.build.cells import Attempt
    from dlkm.build.result import Cell
    from dlkm.kernel.kernel import Kernel
    from dlkm.verdict.background import Background

_RECORD = "build.json"  # build/record.py, which takes a while to load
_DEEP = 100  # directories, above which a name is resolved as a whole
_FOLDERS = 256  # in which records of builds are looked for


@dataclass(slots=True)
class Selection:
    """What was found. `files` are those of all kernels, `built` those of a source, by the kernel they are built for.

    `errors` are PATHs that name nothing, `failed` are builds that brought nothing, `cells` what was built.
    """

    files: dict[str, str] = field(default_factory=dict)
    built: dict[str, list[str]] = field(default_factory=dict)
    errors: list[DlkmError] = field(default_factory=list)
    failed: "list[Cell]" = field(default_factory=list)
    cells: "list[Cell]" = field(default_factory=list)
    project: bool = False
    surprised: bool = False  # a cell of the project was built that is expected to fail

    def of(self, kernel: "Kernel") -> tuple[str, ...]:
        """The files to judge for a kernel."""
        return tuple(dict.fromkeys((*self.files.values(), *self.built.get(kernel.id, ()))))

    def add(self, paths: Iterable[str]) -> None:
        """Files, each once, by whatever way it is named."""
        for path in paths:
            self.files.setdefault(_identity(path), path)

    def take(self, attempts: "Iterable[Attempt]") -> None:
        """What was built, each module for its own kernel."""
        from dlkm.build.result import BuildOutcome

        for attempt in attempts:
            if attempt.error is not None:
                self.errors.append(attempt.error)
            elif attempt.cell.outcome is not BuildOutcome.BUILT:
                self.failed.append(attempt.cell)
            else:
                self.cells.append(attempt.cell)
            modules = [str(module.path) for module in attempt.cell.modules]
            self.built.setdefault(attempt.cell.kernel, []).extend(modules)


def select(
    words: Sequence[str], kernels: "Sequence[Kernel]", arguments: argparse.Namespace, terminal: Terminal
) -> Selection:
    """What the words name; a SOURCE among them is built for each kernel. Words that name nothing go to `errors`."""
    selection = Selection()
    sources: dict[Path, None] = {}
    for word in words:
        try:
            for path in _expand(word):
                if _is_source(path, arguments.subdir):
                    sources[path] = None
                elif (cell := _build_at(path)) is None:
                    selection.add(_modules_of(path))
                elif cell.modules:
                    selection.add(str(module.path) for module in cell.modules)
                else:
                    selection.failed.append(cell)
        except DlkmError as error:
            selection.errors.append(error)
    if sources:
        _build(list(sources), kernels, selection, arguments, terminal)
    return selection


def background_of(selection: Selection, kernel: "Kernel", kernels: "Sequence[Kernel]") -> "Background":
    """What the builds of a kernel's files say, and the kernels of the pool."""
    from dlkm.verdict.background import Background
    from dlkm.verdict.others import Others

    files = selection.of(kernel)
    modules = [(module.path, cell) for cell in _cells_around(files) for module in cell.modules]
    given = {_identity(path) for path in files} if modules else frozenset()
    return Background(
        others=Others(lambda: (*kernels, *_pool())),
        companions=tuple(path for path, _ in modules if _identity(str(path)) not in given),
        recorded={path: cell.kernel for path, cell in modules},
    )


def builds_of(selection: Selection, kernel: "Kernel") -> "list[Cell]":
    """The builds that a kernel's files are of: those just made, else those whose records lie beside the files."""
    return selection.cells or list(_cells_around(selection.of(kernel)))


def _pool() -> "Iterator[Kernel]":
    from dlkm.kernel.kernel import Kernel
    from dlkm.kernel.pool import Pool
    from dlkm.kernel.select import present

    return (one for one in present(Pool()) if isinstance(one, Kernel))


def _cells_around(files: Iterable[str]) -> "Iterator[Cell]":
    """The builds in whose directories the files lie; a record that cannot be read tells nothing."""
    for folder in list(dict.fromkeys(path.rpartition("/")[0] for path in files))[:_FOLDERS]:
        try:
            cell = _build_at(Path(folder))
            if cell is not None:
                yield cell
        except DlkmError:
            continue


def _identity(path: str) -> str:
    """One name for a file, whatever the way to its directory; links to files stay apart."""
    folder, _, name = path.rpartition("/")
    return f"{_real(folder or '.' * (name == path))}/{name}"


@cache
def _real(folder: str) -> str:
    """As realpath; of a thousand directories of a tree each is looked at once, not once more for all below it."""
    above, _, name = folder.rpartition("/")
    if not above or name in {"", ".", ".."} or folder.count("/") > _DEEP:
        return os.path.realpath(folder or "/")
    if os.path.islink(folder):  # noqa: PTH114 — thousands of them
        return os.path.realpath(folder)
    return f"{_real(above).rstrip('/')}/{name}"


def _expand(word: str) -> Iterator[Path]:
    """The files and directories that one PATH names."""
    from dlkm.kernel.demand import complete_for

    path = Path(word)
    complete_for([path])  # it may be a pattern, too
    if path.exists():
        yield path
    elif glob.has_magic(word):
        found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 — the pattern may be absolute, which Path refuses
        if not found:
            raise NothingSelectedError(f"nothing matches {word!r}")
        yield from map(Path, found)
    else:
        raise UsageError(f"there is no {word}")


def _is_source(path: Path, subdir: str) -> bool:
    """Whether it is a driver's source: as for the other verbs, whatever lies below it, unless it is a BUILD."""
    if _is_recipe(path):
        return True
    if not path.is_dir() or _is_build(path) or _is_installed(path) or not (subdir or _has_other_files(path)):
        return False
    from dlkm.source.driver import find

    try:
        find(path, subdir)
    except UsageError:
        return False
    return True


def _is_installed(path: Path) -> bool:
    """Whether it is the modules directory of a kernel, where nobody keeps a source; said without a closer look."""
    return (path / "modules.order").is_file() and (path / "kernel").is_dir() and not (path / "Makefile").exists()


def _has_other_files(path: Path) -> bool:
    """Whether a directory itself has files that are no modules, as every source has."""
    with os.scandir(path) as entries:
        return any(not entry.name.endswith(MODULE_SUFFIXES) and not entry.is_dir() for entry in entries)


def _is_build(path: Path) -> bool:
    """As `is_build`, which is loaded only for what has a record."""
    if path.name != _RECORD and not (path / _RECORD).is_file():
        return False
    from dlkm.build.record import is_build

    return is_build(path)


def _build_at(path: Path) -> "Cell | None":
    """What the record of a BUILD says; None for anything else."""
    if not _is_build(path):
        return None
    from dlkm.build.record import read_build

    return read_build(path)


def _modules_of(path: Path) -> Iterator[str]:
    """A file itself, or all modules below a directory."""
    found = [str(path)]
    if path.is_dir():
        from dlkm.kernel.installed import all_module_paths

        found = sorted(name.removeprefix("./") for name in all_module_paths(path))  # as a Path would be written
    if not found:
        raise NothingSelectedError(
            f"there is no module in {path}", hint="give a .ko, a directory of them, a build, or a driver's source"
        )
    yield from found


def _build(
    paths: Sequence[Path],
    kernels: "Sequence[Kernel]",
    selection: Selection,
    arguments: argparse.Namespace,
    terminal: Terminal,
) -> None:
    from dlkm.build.job import open_workshop
    from dlkm.cli.build import flags_of, options_of, run_plan_with
    from dlkm.core.processes import Processes
    from dlkm.matrix.declaration import SourceTable
    from dlkm.matrix.plan import PlannedKernel, plan
    from dlkm.matrix.sources import find_sources

    sources = find_sources([SourceTable(path=str(path), subdir=arguments.subdir) for path in paths])
    made = plan(sources, [PlannedKernel(kernel=kernel) for kernel in kernels], flags_of(arguments))
    workshop = open_workshop(options_of(arguments), Processes(), terminal.events)
    selection.take(run_plan_with(workshop, made, arguments.output or Path("out"), arguments))


def _is_recipe(path: Path) -> bool:
    return path.suffix == ".bb" and not path.is_dir()
