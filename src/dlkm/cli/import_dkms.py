# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm import dkms`: dlkm.toml and recipes from dkms.conf files."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.common import add_kernel_flag
from dlkm.cli.recipe_lint import add_release_flag
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlkm.build.dkms import Reading
    from dlkm.kernel.kernel import Kernel
    from dlkm.matrix.sources import Source


def register(parser: argparse.ArgumentParser) -> None:
    """The action's own arguments."""
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR", help="a driver with a dkms.conf")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(), metavar="DIR", help="write dlkm.toml and recipes there"
    )
    parser.add_argument("--licence", metavar="SPDX", help="LICENSE of the recipes, when the sources do not tell")
    parser.add_argument("--force", action="store_true", help="write over files that are there")
    add_kernel_flag(parser, required=False)
    add_release_flag(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Read every dkms.conf for every kernel, write, and name what was written."""
    from dlkm.build.job import open_workshop, read_dkms
    from dlkm.build.options import BuildOptions
    from dlkm.cli.recipe_new import answer
    from dlkm.core.processes import Processes
    from dlkm.yocto.from_dkms import place_for, recipe_of_dkms, sources_of_others
    from dlkm.yocto.new import Draft, Wishes

    sources, kernels = _sources(arguments.directories), _kernels(arguments, terminal)
    options = BuildOptions(jobs=arguments.jobs)
    workshop = open_workshop(options, Processes(), terminal.events)
    readings: dict[str, list[Reading]] = {
        source.name: [read_dkms(workshop, source.driver, kernel, options) for kernel in kernels]
        for source in sources
        if source.driver is not None
    }
    packages = {reading.conf.package for group in readings.values() for reading in group}
    wishes = Wishes(release=arguments.yocto, licence=arguments.licence)
    files: dict[Path, bytes] = {}
    places: dict[str, Path] = {}
    for source in sources:
        assert source.driver is not None
        own = readings[source.name]
        chosen = next((reading for reading in own if reading.conf.excluded is None), own[0])
        places[source.name] = place_for(source.driver, chosen, arguments.output)
        for foreign in sources_of_others(chosen):
            terminal.events.warning(
                f"{source.name}: dkms.conf takes files of {foreign}, which a build of the recipe does not have: "
                "it builds as a DKMS driver, not as a recipe, until they are in SRC_URI"
            )
        files |= dict(recipe_of_dkms(source.driver, chosen, arguments.output, wishes, packages).files)
    recipes = sorted(path.name for path in files)
    project = _project(kernels, readings, recipes, places, arguments.output)
    draft = Draft(files={arguments.output / "dlkm.toml": project.encode(), **files})
    copies = {places[source.name]: source.path for source in sources if places[source.name] != source.path}
    _refuse(copies, force=arguments.force)
    written = draft.write(force=arguments.force)
    for place, path in copies.items():
        _copy(path, place)
    answer((*written, *copies), arguments, terminal)
    return ExitStatus.OK


def _refuse(copies: "Mapping[Path, Path]", *, force: bool) -> None:
    """UsageError for a copy that has no place."""
    for place, path in copies.items():
        if path.is_relative_to(place):
            raise UsageError(f"{place} is to hold a copy of {path}, which lies in it", hint="-o elsewhere")
        if not force and (place.exists() or place.is_symlink()):
            raise UsageError(f"{place} is there already", hint="--force writes over it")


def _copy(path: Path, place: Path) -> None:
    """The driver's files, whole or not at all."""
    from dlkm.core.files import cannot_write, remove_tree, scratch_dir
    from dlkm.source.copy import copy_source

    try:
        with scratch_dir(place.parent, ".import-") as folder:
            copy_source(path, folder / "copy")
            remove_tree(place)
            (folder / "copy").rename(place)
    except OSError as error:
        raise cannot_write(place, error) from error


def _sources(directories: "Sequence[Path]") -> "tuple[Source, ...]":
    from dlkm.matrix.declaration import SourceTable
    from dlkm.matrix.sources import find_sources
    from dlkm.source.driver import Style

    sources = find_sources([SourceTable(path=str(path)) for path in directories])
    for source in sources:
        if source.driver is None or source.driver.style is not Style.DKMS:
            hint = "dlkm recipe new writes a recipe for a driver with a Makefile"
            raise UsageError(f"{source.path} has no dkms.conf", hint=hint)
    return sources


def _kernels(arguments: argparse.Namespace, terminal: Terminal) -> "tuple[Kernel, ...]":
    """Those that are named, else the first of the pool that a driver can be built for."""
    from dlkm.core.processes import Processes
    from dlkm.kernel.pool import Pool
    from dlkm.kernel.select import Given, resolve

    pool = Pool()
    if arguments.kernels:
        given = Given(lock=arguments.locked)
        return resolve(arguments.kernels, pool, terminal.events, Processes(), given=given)
    found = next((kernel for kernel in pool.list() if kernel.headers is not None), None)
    if found is None:
        raise UsageError("no kernel to read dkms.conf for", hint="name one: -k debian:RELEASE")
    return (found,)


def _project(
    kernels: "Sequence[Kernel]",
    readings: "Mapping[str, Sequence[Reading]]",
    recipes: "Sequence[str]",
    places: "Mapping[str, Path]",
    output: Path,
) -> str:
    """The text of dlkm.toml: what DKMS would not build is excluded, with the reason."""
    lines = [f"# The same for Yocto: {', '.join(recipes)}"]
    lines += [f"kernels = [{', '.join(_quoted(kernel.id) for kernel in kernels)}]"]
    excluded = [
        (f"{name}@{kernel.id}", reading.conf.excluded or "")
        for name, own in readings.items()
        for kernel, reading in zip(kernels, own, strict=True)
        if reading.conf.excluded is not None
    ]
    if excluded:
        lines += ["exclude = [", *(f"    {_quoted(cell)},  # {_printable(why)}" for cell, why in excluded), "]"]
    for name, place in places.items():
        path = place.relative_to(output.resolve())
        lines += ["", "[[sources]]", f"path = {_quoted(str(path))}", f"name = {_quoted(name)}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML, which takes what JSON writes."""
    return json.dumps(text, ensure_ascii=False)


def _printable(text: str) -> str:
    """A comment of TOML holds no control character."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
