# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration and files that the user asks for, put into the packages of the modules they are for."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dlkm.core.names import module_name
from dlkm.package.contents import module_files
from dlkm.package.lot import Asked, Lot
from dlkm.package.package import Package, PackageFile
from dlkm.package.scripts import is_for_shell

_MODPROBE = 'if [ -z "$D" ]; then\n\tmodprobe -b {name} || true\nfi\n'


def configured(lots: Sequence[Lot], asked: Asked) -> tuple[Lot, ...]:
    """The lots with the files in them; what is for none of their modules goes with the first source's first one."""
    own = {name for lot in lots for package in lot.packages for name in _modules(package)}
    strays = {name for name in (*asked.load, *asked.probe) if _about(name) not in own}
    return tuple(
        replace(lot, packages=tuple(_of_lot(lot, asked, strays, first=lot.source == lots[0].source))) for lot in lots
    )


def unmatched(lots: Sequence[Lot], asked: Asked) -> Iterator[str]:
    """The modules that are to load at boot and are neither packaged nor the kernel's own."""
    own = {name for lot in lots for package in lot.packages for name in _modules(package)}
    for file in asked.load:
        name = _about(file)
        trees = [lot.in_tree for lot in lots]
        if name not in own and all(tree is not None and name.replace("_", "-") not in tree for tree in trees):
            yield file.removesuffix(".conf")


def _of_lot(lot: Lot, asked: Asked, strays: set[str], *, first: bool) -> Iterator[Package]:
    for package in lot.packages:
        names = _modules(package)
        takes_all = first and bool(names)
        mine = {file for file in (*asked.load, *asked.probe) if _about(file) in names} | (
            strays if takes_all else set()
        )
        yield _with(package, asked, mine, asked.files if takes_all else ())
        first = first and not takes_all


def _with(package: Package, asked: Asked, wanted: set[str], more: Sequence[PackageFile]) -> Package:
    """The package with those of the files; they take the place of its own at the same path."""
    files = {
        **{file.path: file for file in more},
        **dict(_files(asked.load, asked.load_dir, wanted)),
        **dict(_files(asked.probe, asked.probe_dir, wanted)),
    }
    if not files:
        return package
    kept = [file for file in package.files if file.path not in files]
    marked = [path for path in files if path.startswith("/etc/")]
    return replace(
        package,
        files=tuple(sorted([*kept, *files.values()], key=lambda file: file.path)),
        conffiles=tuple(dict.fromkeys((*package.conffiles, *marked))),
        scripts=replace(package.scripts, postinst=_loading(package.scripts.postinst, asked, wanted)),
    )


def _loading(script: str, asked: Asked, wanted: set[str]) -> str:
    """The script with lines that load what is to load at boot, on the target at once."""
    words = [word for name in sorted(wanted & asked.load.keys()) for word in asked.load[name].decode().split()]
    if not words or (script and not is_for_shell(script)):
        return script
    return (script or "#!/bin/sh\nset -e\n") + "".join(_MODPROBE.format(name=shlex.quote(word)) for word in words)


def _files(texts: Mapping[str, bytes], folder: str, wanted: set[str]) -> Iterator[tuple[str, PackageFile]]:
    for name, data in texts.items():
        if name in wanted:
            path = f"{folder}/{name}"
            yield path, PackageFile(path=path, mode=0o644, data=data)


def _about(file: str) -> str:
    return module_name(file.removesuffix(".conf"))


def _modules(package: Package) -> frozenset[str]:
    return frozenset(module_name(file.path) for file in module_files(package))
