# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the modules that a build made, and looks whether they are for the kernel asked for. Judges nothing else."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.build.result import BuiltModule
from dlkm.build.work import Made
from dlkm.core.arch import arch_of_elf
from dlkm.core.errors import MalformedError
from dlkm.core.files import sha256_file
from dlkm.core.names import is_module_file
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import read_module

_SYMVERS = 64 << 20  # bytes of one Module.symvers; a whole kernel's has two million


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One new module. `wrong` says why it cannot be for the kernel asked for; `release` is the one it was built for."""

    path: Path
    sha256: str
    vermagic: str
    release: str
    wrong: str | None
    name: str  # the file's, where it is delivered
    destination: str = ""


def chosen(made: Made, copy: Path, kernel: Kernel) -> tuple[Product, ...]:
    """The modules in the copy that the driver names, those of them that are there."""
    return tuple(
        replace(_product(copy / named.built, kernel), name=f"{named.name}.ko", destination=named.destination)
        for named in made.named or ()
        if _is_own(copy / named.built, copy)
    )


def _is_own(path: Path, folder: Path) -> bool:
    """Whether a file lies there; a link that a build made may lead within its directory and nowhere else."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def products(copy: Path, root: Path, kernel: Kernel) -> tuple[Product, ...]:
    """The modules in the copy (which held none before), else those that were only installed; one of each file name.

    Of several files with one name the one nearest to the top counts: a Makefile that copies its result up means that.
    """
    chosen: dict[str, Path] = {}
    for folder in (copy, root):
        for path in sorted(_module_files(folder), key=lambda path: (len(path.parts), path)):
            chosen.setdefault(path.name, path)
    return tuple(_product(chosen[name], kernel) for name in sorted(chosen))


def _module_files(folder: Path) -> Iterator[Path]:
    for place, _folders, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            if is_module_file(name) and path.is_file() and not path.is_symlink():
                yield path


def _product(path: Path, kernel: Kernel) -> Product:
    vermagic, wrong = "", None
    try:
        module = read_module(path)
        vermagic = module.vermagic or ""
        wrong = _why_wrong(vermagic, kernel)
        header = module.elf.header
        if wrong is None and header.machine != kernel.arch.elf_machine:
            arch = arch_of_elf(header.machine, kernel.arch.elf_class, big_endian=kernel.arch.big_endian)
            wrong = f"is for {arch.name if arch is not None else f'ELF machine {header.machine}'}"
    except MalformedError as error:
        wrong = f"is no module: {error.what.removeprefix(f'{path}: ')}"
    return Product(
        path=path,
        sha256=sha256_file(path),
        vermagic=vermagic,
        release=vermagic.partition(" ")[0],
        wrong=wrong,
        name=path.name.encode("utf-8", "replace").decode(),
    )


def _why_wrong(vermagic: str, kernel: Kernel) -> str | None:
    release = vermagic.partition(" ")[0]
    if not release:
        return "has no vermagic"
    return None if release == kernel.release else f"is for {release}"


def collect(found: tuple[Product, ...], target: Path) -> tuple[BuiltModule, ...]:
    """Copy the modules into an output directory."""
    modules = []
    for product in found:
        path = target / product.name
        shutil.copyfile(product.path, path)
        path.chmod(0o644)
        built = BuiltModule(
            path=path, sha256=product.sha256, vermagic=product.vermagic, destination=product.destination
        )
        modules.append(built)
    return tuple(modules)


def collect_symvers(copy: Path, target: Path) -> Path | None:
    """One Module.symvers with the rows of all that the build wrote, in the order of the directories; None for none."""
    rows: dict[str, None] = {}
    found = False
    for place, folders, names in os.walk(copy):
        folders.sort()
        if "Module.symvers" in names:
            found = True
            path = Path(place) / "Module.symvers"
            if _is_own(path, copy) and path.stat().st_size <= _SYMVERS:
                rows |= dict.fromkeys(path.read_text("utf-8", "replace").splitlines())
    if not found:
        return None
    path = target / "Module.symvers"
    path.write_text("".join(f"{row}\n" for row in rows), "utf-8")
    return path
