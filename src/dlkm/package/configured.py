# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration and files that the user asks for, put into the packages of the modules they are for."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dlkm.core.names import module_name
from dlkm.package.contents import module_files
from dlkm.package.lot import Asked, Lot
from dlkm.package.package import Package, PackageFile, blank
from dlkm.package.scripts import is_for_shell

_MODPROBE = 'if [ -z "$D" ]; then\n\tmodprobe -b {name} || true\nfi\n'


def configured(lots: Sequence[Lot], asked: Asked) -> tuple[Lot, ...]:
    """The lots with the files in them; what is for none of their modules has a package of the first source's own."""
    own = {name for lot in lots for package in lot.packages for name in _modules(package)}
    strays = {name for name in (*asked.load, *asked.probe) if _about(name) not in own}
    return tuple(
        _with_common(lot, asked, strays) if lot.source == lots[0].source else _with_own(lot, asked, set())
        for lot in lots
    )


def unmatched(lots: Sequence[Lot], asked: Asked) -> Iterator[str]:
    """The modules that are to load at boot and are neither packaged nor the kernel's own."""
    own = {name for lot in lots for package in lot.packages for name in _modules(package)}
    for file in asked.load:
        name = _about(file)
        trees = [lot.in_tree for lot in lots]
        if name not in own and all(tree is not None and name.replace("_", "-") not in tree for tree in trees):
            yield file.removesuffix(".conf")


def _with_common(lot: Lot, asked: Asked, strays: set[str]) -> Lot:
    """The files for no module apart from those for one: which module comes first may change with a driver's version."""
    described = lot.packages[-1]  # of a split that which all others follow
    called = (described.recipe or described.name).removesuffix("-modules")
    empty = blank(described, name=f"{called}-modules-conf", arch="all")
    common = _with(empty, asked, strays, set(), asked.files)
    if not common.files:
        return _with_own(lot, asked, set())
    needed = f"{common.name} (>= {common.version})"
    packages = (
        replace(package, depends=(*package.depends, needed)) if _modules(package) else package
        for package in _with_own(lot, asked, strays).packages
    )
    return replace(lot, packages=(*packages, replace(common, summary=f"{called} kernel modules: what all share")))


def _with_own(lot: Lot, asked: Asked, strays: set[str]) -> Lot:
    """With the files for its modules; the first of these loads the `strays`, too, whose files are elsewhere."""
    made, left = [], strays
    for package in lot.packages:
        names = _modules(package)
        mine = {file for file in (*asked.load, *asked.probe) if _about(file) in names}
        made.append(_with(package, asked, mine, mine | left if names else mine))
        left = set() if names else left
    return replace(lot, packages=tuple(made))


def _with(
    package: Package, asked: Asked, wanted: set[str], loaded: set[str], more: Sequence[PackageFile] = ()
) -> Package:
    """The package with the files `wanted` in the place of its own at the same path, and those `loaded` at once."""
    files = {
        **{file.path: file for file in more},
        **dict(_files(asked.load, asked.load_dir, wanted)),
        **dict(_files(asked.probe, asked.probe_dir, wanted)),
    }
    kept = [file for file in package.files if file.path not in files]
    marked = [path for path in files if path.startswith("/etc/")]
    return replace(
        package,
        files=tuple(sorted([*kept, *files.values()], key=lambda file: file.path)) if files else package.files,
        conffiles=tuple(dict.fromkeys((*package.conffiles, *marked))),
        scripts=replace(package.scripts, postinst=_loading(package.scripts.postinst, asked, loaded)),
    )


def _loading(script: str, asked: Asked, loaded: set[str]) -> str:
    """The script with lines that load what is to load at boot, on the target at once."""
    words = [word for name in sorted(loaded & asked.load.keys()) for word in asked.load[name].decode().split()]
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
