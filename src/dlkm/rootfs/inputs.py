# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user names (module files, packages, builds) as modules, each with the release it is staged for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.build.result import BuildOutcome, Cell
from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.names import Vermagic, is_module_file, is_release
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module, read_module
from dlkm.package.package import PackageFile
from dlkm.package.reading import is_package, read_package
from dlkm.rootfs.packaged import Extra, extras_in, extras_of, modules_in
from dlkm.rootfs.stage import Given


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The kernels asked for by `-k`, and those that are known anyway, by id."""

    asked: tuple[Kernel, ...] = ()
    known: Mapping[str, Kernel]

    def for_module(self, module: Module) -> Given:
        """The release a module goes to: that of the kernel asked for, else the one in its vermagic.

        With several kernels asked for, the one of its vermagic. UsageError when that is none of them; MalformedError
        when the module names no release and none was asked for.
        """
        release = _release(module)
        mine = next((kernel for kernel in self.asked if kernel.release == release), None)
        if mine is None and len(self.asked) == 1:
            mine = self.asked[0]
        if mine is not None:
            return Given(module=module, release=mine.release, kernel=mine)
        if self.asked:
            raise UsageError(f"{module.path} was built for {release}, which is none of the kernels given")
        if release is None:
            raise MalformedError(f"{module.path}: its vermagic names no kernel release", hint="name one: -k KERNEL")
        return Given(module=module, release=release, kernel=self.known.get(release))

    def for_packaged(self, module: Module, release: str, place: str, package: Path) -> Given:
        """A module that a package has for a release; UsageError when other kernels were asked for."""
        mine = next((kernel for kernel in self.asked if kernel.release == release), None)
        if self.asked and mine is None:
            raise UsageError(f"{package} has modules for {release}, which is none of the kernels given")
        return Given(module=module, release=release, kernel=mine or self.known.get(release), place=place)


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The modules found, what else their packages hold, and the builds that brought nothing because they failed."""

    given: tuple[Given, ...] = ()
    extras: tuple[Extra, ...] = ()
    folders: tuple[str, ...] = ()
    failed: tuple[Cell, ...] = ()


def gather(named: Sequence[Path | Cell], kernels: Kernels, scratch: Path) -> Gathered:
    """All that module files, packages and builds bring; packages are unpacked below `scratch`, where they stay.

    UsageError for a path that is nothing of the kind; MalformedError for a package that cannot be read.
    """
    given: list[Given] = []
    extras: list[Extra] = []
    folders: list[str] = []
    failed: list[Cell] = []
    for number, item in enumerate(named):
        if isinstance(item, Path) and is_package(item):
            package = read_package(item, scratch / str(number))
            given += [
                kernels.for_packaged(read_module(_source(file)), release, place, item)
                for file, release, place in modules_in(package)
            ]
            extras += extras_in(package)
            folders += [folder[1:] for folder in package.folders]
        elif isinstance(item, Path):
            if item.exists() and not is_module_file(item.name):
                what = "name a .ko file, a package, a build's output, or a source"
                raise UsageError(f"{item} is no module file", hint=what)
            given.append(kernels.for_module(read_module(item)))
        elif item.outcome is BuildOutcome.BUILT:
            given += of_cell(item, kernels)
            extras += extras_of(item)
        else:
            failed.append(item)
    return Gathered(given=tuple(given), extras=tuple(extras), folders=tuple(folders), failed=tuple(failed))


def _source(file: PackageFile) -> Path:
    assert file.source is not None, "a module is no link"
    return file.source


def of_cell(cell: Cell, kernels: Kernels) -> list[Given]:
    """A build's modules go to the kernel they were built for, unless `-k` says otherwise."""
    kernel = kernels.known.get(cell.kernel)
    modules = [read_module(built.path) for built in cell.modules]
    asked = [one for one in kernels.asked if one.id == cell.kernel]
    if kernel is not None and (asked or not kernels.asked):
        return [Given(module=module, release=kernel.release, kernel=kernel) for module in modules]
    return [kernels.for_module(module) for module in modules]


def _release(module: Module) -> str | None:
    release = Vermagic.parse(module.vermagic).release if module.vermagic else ""
    return release if is_release(release) else None
