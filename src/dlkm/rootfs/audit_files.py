# SPDX-License-Identifier: GPL-2.0-or-later
"""Module files of a release against each other and the kernel: who wins, who is shadowed, who cannot be used."""

from collections.abc import Iterator, Mapping, Sequence

from dlkm.core.names import normalise_module_name
from dlkm.rootfs.auditrules import Found, listed
from dlkm.rootfs.belongings import lacking_firmware
from dlkm.rootfs.modtree import ModuleFile
from dlkm.rootfs.release import Release

OTHER_RELEASE = "other-release"
_MOST_CLASHES = 50  # in-tree modules named for one driver
_NO_DEVICE = ("cpu:", "crypto-", "fs-", "symbol:")  # aliases that many modules have in common, and none is bound by


def file_findings(release: Release) -> Iterator[Found]:
    """All that the files alone tell."""
    for trouble, path in release.tree.troubles:
        yield Found(rule=trouble.value, kernel=release.release, path=path,
                    words={"path": path, "release": release.release})  # fmt: skip
    for name, files in release.tree.by_name.items():
        if len(files) > 1:
            yield from _twins(release, name, files)
    for file in release.added:
        yield from _added(release, file)


def _twins(release: Release, name: str, files: Sequence[ModuleFile]) -> Iterator[Found]:
    """Several files that hold one module."""
    if release.lookup.is_builtin(name):
        return
    by_path = {file.path: file for file in files}
    chosen = release.precedence.winner(tuple(by_path))
    winner = release.loaded(name) or (by_path[chosen] if chosen is not None else None)
    if chosen is None:
        folders = sorted({file.path.partition("/")[0] for file in files if not file.is_own})
        words: dict[str, object] = {
            "paths": " and ".join(file.real for file in files),
            "folders": " ".join(folders) or "updates",
        }
        yield _found("winner-by-chance", release, name, files[0].real, words)
    if winner is None:
        return
    why = release.precedence.why(winner.path) if winner.path == chosen else "modules.dep says so"
    for file in files:
        if file == winner:
            continue
        words = {"path": file.real, "winner": winner.real, "why": why, "folder": file.path.rpartition("/")[0]}
        same = release.root.digest(file.real)[0] == release.root.digest(winner.real)[0]
        loses = winner.is_own and not file.is_own and not same
        rule = _lost(release, file, winner, chosen) if loses else "shadowed/same" if same else "shadowed"
        yield _found(rule, release, name, file.real, words)


def _lost(release: Release, file: ModuleFile, winner: ModuleFile, chosen: str | None) -> str:
    """By what is to be done so that a file which was added wins over the kernel's own."""
    if file.path == chosen:
        return "in-tree-wins/stale"
    precedence = release.precedence
    if winner.path == chosen and precedence.override_of(winner.path) is not None:
        return "in-tree-wins/override"
    moved = f"updates/{file.path.rpartition('/')[2]}"
    helps = moved != file.path and precedence.winner((moved, winner.path)) == moved
    return "in-tree-wins/movable" if helps else "in-tree-wins"


def _added(release: Release, file: ModuleFile) -> Iterator[Found]:
    """A file that is none of the kernel's own."""
    kmod = release.settings.kmod
    if not kmod.reads(file.path):
        words = {"path": file.real, "kmod": kmod, "packings": ", ".join(sorted(kmod.packings or ())) or "none"}
        yield _found("module-packed", release, file.name, file.real, words)
        return
    if release.lookup.is_builtin(file.name):
        yield _found("built-in-wins", release, file.name, file.real, {"path": file.real})
    module = release.module(file)
    if module is None:
        return  # the verdict says why
    inner = normalise_module_name(module.name)
    if inner != file.name:
        yield _found("name-differs", release, file.name, file.real, {"path": file.real, "inner": inner})
    if file == release.loaded(file.name):
        yield from _missing(release, file, tuple(map(normalise_module_name, module.depends)))
        yield from _clashes(release, file.name)
        for name in lacking_firmware(release.root, release.release, module):
            yield _found("firmware-missing", release, file.name, file.real, {"path": file.real, "firmware": name})
    yield from _other_release(release, file, module.vermagic)


def _missing(release: Release, file: ModuleFile, depends: Sequence[str]) -> Iterator[Found]:
    for needed in depends:
        if needed not in release.tree.by_name and not release.lookup.is_builtin(needed):
            words = {"path": file.real, "needed": needed}
            yield _found("dependency-missing", release, file.name, file.real, words)


def _other_release(release: Release, file: ModuleFile, vermagic: str | None) -> Iterator[Found]:
    """Built for another release. Whether it is taken all the same is for the verdict to say (audit_verdicts)."""
    built = (vermagic or "").partition(" ")[0]
    if built and built != release.release:
        case = "/weak-updates" if file.path.startswith("weak-updates/") else ""
        words = {"path": file.real, "built": built}
        yield _found(f"{OTHER_RELEASE}{case}", release, file.name, file.real, words)


def _clashes(release: Release, name: str) -> Iterator[Found]:
    """In-tree drivers of other names that take the same devices, as modules or built in."""
    if release.lookup.blacklisted(name) is not None:
        return
    file = release.loaded(name)
    for rule, shared in (
        ("alias-clash", shared_aliases(release, name)),
        ("alias-clash/built-in", _built_in_aliases(release, name)),
    ):
        for other, aliases in list(shared.items())[:_MOST_CLASHES]:
            words = {"other": other, "count": len(aliases), "aliases": listed(aliases, 3)}
            yield _found(rule, release, name, file.real if file is not None else None, words)


def _built_in_aliases(release: Release, name: str) -> dict[str, list[str]]:
    """Built-in drivers that answer to aliases of a module, with those aliases."""
    found: dict[str, list[str]] = {}
    for alias in release.aliases(name):
        for other in release.lookup.builtin_for(alias) if _names_device(alias) else ():
            found.setdefault(other, []).append(alias)
    return found


def _names_device(alias: str) -> bool:
    return ":" in alias and not alias.startswith(_NO_DEVICE)


def shared_aliases(release: Release, name: str) -> dict[str, list[str]]:
    """In-tree modules of other names that answer to aliases of a module and are not blacklisted, with those aliases."""
    found: dict[str, list[str]] = {}
    for alias, answer in release.aliases(name).items():
        if not _names_device(alias):
            continue
        for one in answer.modules:
            if one.name != name and one.blacklist is None and release.is_own(one.name):
                found.setdefault(one.name, []).append(alias)
    return found


def _found(rule: str, release: Release, module: str, path: str | None, words: Mapping[str, object]) -> Found:
    told = {"release": release.release, "name": module, **words}
    return Found(rule=rule, kernel=release.release, path=path, module=module, words=told)
