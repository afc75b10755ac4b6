# SPDX-License-Identifier: GPL-2.0-or-later
"""depmod's files of a release: missing, damaged, or other than what depmod would write now."""

from collections.abc import Iterator

from dlkm.core.errors import MalformedError
from dlkm.core.events import Events
from dlkm.core.processes import Runner
from dlkm.rootfs.auditrules import Found, about, listed
from dlkm.rootfs.depmod import depmod
from dlkm.rootfs.release import Release
from dlkm.rootfs.staleness import differences, missing

_SHOWN = 4  # differences told one by one
_WITHOUT = {
    "modules.dep.bin": "modprobe finds no module",
    "modules.dep": "modprobe finds no module",
    "modules.alias.bin": "no device loads its driver",
    "modules.alias": "no device loads its driver",
    "modules.builtin.bin": "modprobe takes what is built in for missing",
}


def depmod_findings(release: Release, runner: Runner) -> Iterator[Found]:
    """Has depmod make them, which says nothing, as another process may be speaking. MissingToolError without it."""
    try:
        made = depmod(release.root, release.release, runner=runner, events=Events(), tree=release.tree)
    except MalformedError as error:
        yield about("depmod-fails", release, why=error.what.replace(f" in {release.root.path}", ""))
        return
    gone = missing(made.files, release.table, release.settings.kmod.loader)
    if gone:
        what = next((_WITHOUT[name] for name in gone if name in _WITHOUT), "modprobe does not find all")
        yield about("depmod-missing", release, names=_are(gone), folder=release.folder, what=what)
    yield from _damaged(release)
    if "modules.dep.bin" not in gone and "modules.dep" not in gone:
        try:
            told = list(differences(made.files, release.table, _external(release)))
        except MalformedError as error:
            if not release.lookup.faults:
                yield about("depmod-damaged", release, path=release.folder, why=error.what)
            return
        if told:
            rest = f"; and {len(told) - _SHOWN} more differences" if len(told) > _SHOWN else ""
            yield about("depmod-stale", release, folder=release.folder, what="; ".join(told[:_SHOWN]) + rest)


def _damaged(release: Release) -> Iterator[Found]:
    release.lookup.ask("a name that makes it read every table")
    for name, why in release.lookup.faults.items():
        path = f"{release.folder}/{name}"
        yield about("depmod-damaged", release, path=path, why=why.removeprefix(f"{path}: "))


def _external(release: Release) -> frozenset[str]:
    """Modules that lie in directories outside, which depmod is not told of here (rootfs/depmod.py)."""
    return frozenset(file.name for file in release.tree.files if file.path.startswith("/"))


def _are(names: tuple[str, ...]) -> str:
    return f"{listed(names, 6)} {'are' if len(names) > 1 else 'is'}"
