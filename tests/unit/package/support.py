# SPDX-License-Identifier: GPL-2.0-or-later
"""Small modules, lots and packages for the tests of this folder."""

from collections.abc import Sequence
from pathlib import Path

from dlkm.core.arch import arch_named
from dlkm.ko.module import Module, read_module
from dlkm.package.assemble import Target
from dlkm.package.lot import Asked, Lot
from dlkm.package.names import Format
from dlkm.package.package import Package, PackageFile
from dlkm.package.split import Place, split
from dlkm.package.systems import System, system_of
from tests.unit.ko.elf_builder import tiny_module

R = "6.1.0-56-amd64"
AUTHOR = "Ann Author <ann@example.com>"


def module(
    folder: Path, name: str = "hello", *, file: str = "", depends: str = "", more: Sequence[tuple[str, str]] = ()
) -> Module:
    """A module file with these modinfo entries besides the usual ones."""
    entries = [("license", "GPL"), ("author", AUTHOR), ("description", "Says hello"), ("depends", depends), *more]
    path = folder / (file or f"{name}.ko")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiny_module(modinfo=[*entries, ("name", name), ("vermagic", f"{R} SMP ")]).build())
    return read_module(path)


def lot(*packages: Package, release: str = R, arch: str = "x86_64", source: str = "src", origin: str = "",
        in_tree: frozenset[str] | None = frozenset({"cfg80211"}), literal: bool = False) -> Lot:  # fmt: skip
    """A lot of these packages."""
    return Lot(source=source, release=release, origin=origin, arch=arch_named(arch), machine="qemux86_64",
               packages=packages, in_tree=in_tree, literal=literal)  # fmt: skip


def driver(folder: Path, release: str = R, *, asked: Asked | None = None, arch: str = "x86_64",
           names: Sequence[str] = ("hello",), depends: str = "") -> Lot:  # fmt: skip
    """The lot of a driver with these modules."""
    modules = [module(folder / release, name, depends=depends) for name in names]
    return lot(*split("hello", None, modules, Place(release=release), asked or Asked()), release=release, arch=arch)


def recipe(name: str = "kernel-module-one-" + R, *, release: str = R, conf: str = "", **words: object) -> Package:
    """A package of a recipe's; one whose name begins with kernel-module holds a module."""
    files = (
        [PackageFile(path=f"/lib/modules/{release}/updates/one.ko", mode=0o644, data=b"\x7fELF")]
        if "kernel-module" in name
        else []
    )
    if conf:
        files.append(PackageFile(path=conf, mode=0o644, data=b"one\n"))
    marked = (conf,) if conf else ()
    fields = {"version": "1.0-r0", "arch": "qemux86_64", "files": tuple(files), "conffiles": marked} | words
    return Package(name=name, **fields)  # type: ignore[arg-type]


def target(form: Format = Format.DEB, system: System | None = None, **words: object) -> Target:
    """What packages are made for."""
    return Target(form=form, system=system or system_of(form), **words)  # type: ignore[arg-type]
