# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command line names as lots of packages: builds and sources one by one, module files by their names."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.inputs import Input, all_cells_of, sort_out
from dlkm.core.errors import MalformedError, NothingSelectedError, UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from dlkm.build.result import Cell
    from dlkm.core.arch import Arch
    from dlkm.kernel.facts import Facts
    from dlkm.ko.module import Module
    from dlkm.package.lot import Asked, Lot
    from dlkm.package.package import Package
    from dlkm.rootfs.inputs import Kernels
    from dlkm.rootfs.stage import Given
    from dlkm.verdict.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The lots, the modules in them with their kernels, what is known of these, and the builds that brought none."""

    lots: "tuple[Lot, ...]" = ()
    given: "tuple[Given, ...]" = ()
    facts: "Mapping[str, Facts]" = field(default_factory=dict)
    failed: "tuple[Cell, ...]" = ()
    skipped: "tuple[Cell, ...]" = ()


def gather(arguments: argparse.Namespace, asked: "Asked", terminal: Terminal) -> Gathered:
    """Everything named, sources built first; UsageError for what is nothing, NothingSelectedError for nothing."""
    from dlkm.core.processes import Processes
    from dlkm.kernel.pool import Pool
    from dlkm.kernel.select import Given as Options
    from dlkm.kernel.select import resolve
    from dlkm.rootfs.inputs import Kernels

    runner, pool = Processes(), Pool()
    items = sort_out(arguments.paths, arguments.subdir)
    options = Options(lock=arguments.locked)
    wanted = resolve(arguments.kernels, pool, terminal.events, runner, given=options) if arguments.kernels else ()
    kernels = Kernels(asked=wanted, known={kernel.id: kernel for kernel in (*pool.list(), *wanted)})
    cells = list(all_cells_of(items, wanted, arguments, terminal, runner))
    return _Gatherer(kernels, asked, arguments.machine).gathered(_files(items), cells)


def refusals(gathered: Gathered) -> "Iterator[Verdict]":
    """The verdicts on modules that their kernel will refuse, the others of the run loaded before."""
    from dlkm.verdict.admission import refusal

    for item in gathered.given:
        if item.kernel is not None:
            others = [one.module for one in gathered.given if one is not item and one.kernel is item.kernel]
            verdict = refusal(item.module, gathered.facts[item.kernel.id], others)
            if verdict is not None:
                yield verdict


def _files(items: Sequence[Input]) -> list[Path]:
    from dlkm.core.names import is_module_file

    files = [item.path for item in items if item.is_file]
    for path in files:
        if path.exists() and not is_module_file(path.name):
            raise UsageError(f"{path} is no module file", hint="name a .ko file, a build's output, or a source")
    return files


class _Gatherer:
    """Makes lots; looks once at what each kernel has of its own."""

    def __init__(self, kernels: "Kernels", asked: "Asked", machine: str | None) -> None:
        self._kernels, self._asked, self._machine = kernels, asked, machine
        self._facts: dict[str, Facts] = {}
        self._in_tree: dict[str, frozenset[str] | None] = {}
        self._given: list[Given] = []

    def gathered(self, files: Sequence[Path], cells: "Sequence[Cell]") -> Gathered:
        from dlkm.build.result import BuildOutcome

        failed = tuple(cell for cell in cells if cell.outcome is BuildOutcome.FAILED)
        built = [cell for cell in cells if cell.outcome is BuildOutcome.BUILT]
        if self._asked.name and len({cell.source for cell in built}) + bool(files) > 1:
            raise UsageError("--name is for one driver", hint="package the drivers one by one")
        lots = [*self._of_files(files), *(lot for cell in built for lot in self._of_cell(cell))]
        if not lots and not failed:
            reasons = "; ".join(f"{cell.id}: {cell.reason}" for cell in cells)
            raise NothingSelectedError(f"nothing to package{': ' if reasons else ''}{reasons}")
        skipped = tuple(cell for cell in cells if cell.outcome is BuildOutcome.SKIPPED)
        return Gathered(lots=tuple(lots), given=tuple(self._given), facts=self._facts, failed=failed, skipped=skipped)

    def _of_files(self, files: Sequence[Path]) -> "Iterator[Lot]":
        """Files of one module name are one driver's, for several kernels; with --name all of them."""
        from dlkm.core.names import module_name
        from dlkm.ko.module import read_module

        groups: dict[tuple[str, str], list[Given]] = {}
        for path in files:
            given = self._kernels.for_module(read_module(path))
            name = self._asked.name or module_name(path.name)
            groups.setdefault((name, given.release), []).append(given)
        for (name, _release), group in groups.items():
            yield self._lot(f"module {name}", name, None, group)

    def _of_cell(self, cell: "Cell") -> "Iterator[Lot]":
        from dlkm.package.store import read_packages
        from dlkm.rootfs.inputs import of_cell

        given = of_cell(cell, self._kernels)
        packages = read_packages(cell.log.parent) if cell.log is not None and cell.packages else ()
        if packages:
            yield self._recipe_lot(cell, packages, given)
        elif given:
            yield self._lot(str(cell.source), _driver_name(cell), cell.source, given)

    def _lot(self, source: str, name: str, folder: Path | None, given: "Sequence[Given]") -> "Lot":
        """Modules as a driver's packages."""
        from dlkm.package.lot import Lot
        from dlkm.package.split import Place, split

        self._given += given
        modules, first = [one.module for one in given], given[0]
        arch = _arch_of(first.module)
        return Lot(
            source=source,
            release=first.release,
            origin=first.kernel.origin if first.kernel is not None else "",
            arch=arch,
            machine=(self._machine or arch.oe).replace("-", "_"),
            packages=split(name, folder, modules, Place.of(first.release, first.kernel), self._asked),
            in_tree=self._modules_of(first),
        )

    def _recipe_lot(self, cell: "Cell", packages: "Sequence[Package]", given: "Sequence[Given]") -> "Lot":
        """The packages that a recipe's build made, which are for the kernel it was built for."""
        from dlkm.core.arch import arch_named
        from dlkm.core.names import is_release
        from dlkm.package.contents import releases_of
        from dlkm.package.lot import Lot

        if self._asked.name:
            raise UsageError(f"--name {self._asked.name}: a recipe says itself what its packages are called")
        self._given += given
        kernel = given[0].kernel if given else None
        found = [release for package in packages for release in releases_of(package)]
        release = found[0] if found else cell.kernel.partition("@")[0]
        if not is_release(release):
            raise MalformedError(f"{cell.id}: {release!r} is no release of a kernel", hint="build the recipe again")
        return Lot(
            source=str(cell.source),
            release=release,
            origin=kernel.origin if kernel is not None else "",
            arch=arch_named(cell.arch),
            machine=packages[0].arch,
            packages=self._asked.restated(packages),
            in_tree=self._modules_of(given[0]) if given else None,
            literal=True,
        )

    def _modules_of(self, given: "Given") -> frozenset[str] | None:
        from dlkm.kernel.facts import Facts
        from dlkm.package.split import in_tree

        if given.kernel is None:
            return None
        if given.kernel.id not in self._in_tree:
            self._facts[given.kernel.id] = Facts(given.kernel)
            self._in_tree[given.kernel.id] = in_tree(self._facts[given.kernel.id])
        return self._in_tree[given.kernel.id]


def _driver_name(cell: "Cell") -> str:
    """As its dkms.conf calls it, else as its build does."""
    from dlkm.source.dkms import CONF, names_in

    conf = cell.source / CONF
    try:
        stated = names_in(conf)[0] if conf.is_file() else ""
    except MalformedError:
        stated = ""
    return stated or cell.id.removesuffix(f"@{cell.kernel}")


def _arch_of(module: "Module") -> "Arch":
    from dlkm.core.arch import arch_of_elf

    elf = module.elf
    arch = arch_of_elf(elf.header.machine, elf.bits, big_endian=elf.big_endian)
    if arch is None:
        machine = elf.header.machine
        raise MalformedError(f"{module.path}: is for an architecture that is not known (ELF machine {machine})")
    return arch
