# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules without debugging information, as `make modules_install INSTALL_MOD_STRIP=1` leaves them, in a directory."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dlkm.core.arch import Arch
from dlkm.core.errors import MalformedError
from dlkm.core.events import Events
from dlkm.core.processes import Runner, failed
from dlkm.core.tools import missing
from dlkm.ko.decompress import Compression
from dlkm.ko.module import read_module
from dlkm.package.contents import module_files
from dlkm.package.lot import Lot
from dlkm.package.package import Package, PackageFile


def stripped(lots: Sequence[Lot], folder: Path, runner: Runner, events: Events) -> tuple[Lot, ...]:
    """The lots with modules that lie in `folder`; a signed or packed one stays as it is, which is said.

    MissingToolError without a strip for the architecture; MalformedError when it fails.
    """
    made = []
    for number, lot in enumerate(lots):
        place = folder / str(number)
        place.mkdir()
        packages = tuple(_package(package, lot.arch, place, runner, events) for package in lot.packages)
        made.append(replace(lot, packages=packages))
    return tuple(made)


def _package(package: Package, arch: Arch, folder: Path, runner: Runner, events: Events) -> Package:
    modules = {file.path for file in module_files(package)}
    files = (_file(file, arch, folder, runner, events) if file.path in modules else file for file in package.files)
    return replace(package, files=tuple(files))


def _file(file: PackageFile, arch: Arch, folder: Path, runner: Runner, events: Events) -> PackageFile:
    if file.source is None:
        return file
    module = read_module(file.source)
    if not any(section.name.startswith(".debug_") for section in module.elf.sections):
        return file
    if module.signature is not None or module.compression is not Compression.NONE:
        why = "is signed" if module.signature is not None else "is packed"
        events.warning(f"{file.source} {why}: it keeps its debugging information")
        return file
    program = f"{arch.cross_compile}strip"
    if runner.find(program) is None:
        raise missing(program)
    target = folder / file.source.name
    done = runner.run([program, "--strip-debug", "-o", target, file.source])
    if not done.ok:
        raise failed(done, f"stripping {file.source}", MalformedError)
    return replace(file, source=target)
