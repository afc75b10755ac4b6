# SPDX-License-Identifier: GPL-2.0-or-later
"""What loads at boot and by devices, and what keeps it out: modules-load.d, blacklists, install lines, softdeps."""

from collections.abc import Iterator
from difflib import get_close_matches

from dlkm.core.arch import arch_of_elf
from dlkm.core.errors import MalformedError
from dlkm.ko.module import Module
from dlkm.rootfs.audit_conf import reader_of
from dlkm.rootfs.audit_files import shared_aliases
from dlkm.rootfs.auditrules import Found, listed
from dlkm.rootfs.lookup import By, softdep_names
from dlkm.rootfs.lookup import Found as Answered
from dlkm.rootfs.modtree import ModuleFile, module_of_path
from dlkm.rootfs.release import Release
from dlkm.rootfs.settings import Autoload
from dlkm.rootfs.statements import Directive
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.parameters import unknown


def load_findings(release: Release) -> Iterator[Found]:
    """All that configuration and tables tell together."""
    for wanted in release.settings.autoload:
        yield from _autoload(release, wanted)
    for line in release.settings.of_kind("blacklist"):
        yield from _blacklist(release, line)
    for line in release.settings.of_kind("install"):
        yield from _install(release, line)
    for line in release.settings.of_kind("softdep"):
        yield from _softdep(release, line)
    for line in release.settings.of_kind("options"):
        yield from _options(release, line)
    yield from _missing_files(release)


def _autoload(release: Release, wanted: Autoload) -> Iterator[Found]:
    """systemd-modules-load looks a name up as modprobe does, and obeys the blacklist whatever way it was found."""
    reader = reader_of(release.root)
    obeys = reader is None or reader.obeys
    answer = release.lookup.ask(wanted.name)
    if answer.by is By.NOTHING:
        yield _unresolved(release, wanted)
    for one in answer.modules:
        words: dict[str, object] = {"name": wanted.name, "release": release.release}
        if one.blacklist is not None and (obeys or answer.is_alias):
            words |= {"blacklist": one.blacklist.place, "reader": "systemd-modules-load" if obeys else "modprobe"}
            yield _of_autoload("autoload-blacklisted", release, wanted, words)
        elif one.command is not None and one.command.loads_nothing:
            words |= {"command": one.command.text, "file": one.command.place}
            yield _of_autoload("autoload-disabled", release, wanted, words)
        elif one.path is None and not one.builtin and one.command is None:
            yield _unresolved(release, wanted)
        elif one.command is None:
            for needed, line in _kept_from(release, one):
                more = {"needed": needed, "command": line.text, "file": line.place}
                yield _of_autoload("autoload-disabled/needed", release, wanted, words | more)


def _kept_from(release: Release, one: Answered) -> Iterator[tuple[str, Directive]]:
    """What it needs and an install line keeps out: modprobe gives up then, or the kernel misses a symbol."""
    return ((needed, line) for needed, line in release.lookup.replaced(one) if line.loads_nothing)


def _unresolved(release: Release, wanted: Autoload) -> Found:
    first, *rest = wanted.name.split()
    words: dict[str, object] = {"name": wanted.name, "release": release.release, "first": first}
    if rest and release.lookup.ask(first).by is not By.NOTHING:
        return _of_autoload("autoload-unresolved/parameters", release, wanted, words)
    name = first.replace("-", "_")
    if name in release.tree.by_name:
        words |= {"path": release.tree.by_name[name][0].real}
        return _of_autoload("autoload-unresolved/unlisted", release, wanted, words)
    near = get_close_matches(name.removesuffix(".ko"), release.tree.by_name, n=1, cutoff=0.8)
    if near:
        return _of_autoload("autoload-unresolved/near", release, wanted, words | {"near": near[0]})
    return _of_autoload("autoload-unresolved", release, wanted, words)


def _of_autoload(rule: str, release: Release, wanted: Autoload, words: dict[str, object]) -> Found:
    return Found(rule=rule, kernel=release.release, path=wanted.file, line=wanted.line, module=wanted.name, words=words)


def _blacklist(release: Release, line: Directive) -> Iterator[Found]:
    name = line.name.replace("-", "_")
    file = release.loaded(name)
    if file is None:
        return
    if not file.is_own:
        yield _blocks_meant(release, line, name, file)
    yield from _loaded_all_the_same(release, line, name)


def _blocks_meant(release: Release, line: Directive, name: str, file: ModuleFile) -> Found:
    """A blacklist that names a driver which was added: who wrote it meant another one, or the driver by its devices."""
    words: dict[str, object] = {"line": line.text, "path": file.real, "name": name}
    twin = next((one for one in release.tree.by_name[name] if one.is_own), None)
    if twin is not None:
        return _of_line("blacklist-blocks-meant", release, line, name, words | {"twin": twin.real})
    others = shared_aliases(release, name)
    if others:
        other, aliases = next(iter(others.items()))
        words |= {"other": other, "aliases": listed(aliases, 3)}
        return _of_line("blacklist-blocks-meant/other-name", release, line, name, words)
    return _of_line("blacklist-blocks-meant/alone", release, line, name, words)


def _loaded_all_the_same(release: Release, line: Directive, name: str) -> Iterator[Found]:
    """A driver that was added needs it, or a softdep asks for it."""
    for file in release.added:
        if file != release.loaded(file.name) or release.lookup.blacklisted(file.name) is not None:
            continue
        one = release.lookup.module(file.name)
        softdeps = {softdep.replace("-", "_") for softdep in (*one.before, *one.after)}
        if name in softdeps or name in map(module_of_path, one.needs):
            words: dict[str, object] = {"name": name, "user": file.name}
            yield _of_line("blacklist-loaded-all-the-same", release, line, name, words)
            return


def _install(release: Release, line: Directive) -> Iterator[Found]:
    for file in release.added:
        if file != release.loaded(file.name):
            continue
        one = release.lookup.module(file.name)
        words: dict[str, object] = {"line": line.text, "path": file.real, "name": file.name}
        if one.command == line and line.loads_nothing:
            yield _of_line("blacklist-blocks-meant/install", release, line, file.name, words)
        for needed, command in _kept_from(release, one) if one.command is None else ():
            if command == line:
                yield _of_line("blacklist-blocks-meant/needed", release, line, file.name, words | {"needed": needed})
    yield from _ignored(release, line)


def _ignored(release: Release, line: Directive) -> Iterator[Found]:
    name = line.name.replace("-", "_")
    one: Answered = release.lookup.module(name)
    softdep = release.lookup.softdep_line(name)
    if one.path is not None and softdep is not None and (one.before or one.after) and line.loads_nothing:
        words: dict[str, object] = {"line": line.text, "name": name, "softdep": softdep.place}
        yield _of_line("install-ignored", release, line, name, words)


def _softdep(release: Release, line: Directive) -> Iterator[Found]:
    before, after = softdep_names(line)
    missing = [name for name in (*before, *after) if release.lookup.ask(name).by is By.NOTHING]
    if missing and release.lookup.module(line.name).path is not None:
        words: dict[str, object] = {"line": line.text, "missing": listed(missing), "release": release.release}
        yield _of_line("softdep-unresolved", release, line, line.name, words)


def _options(release: Release, line: Directive) -> Iterator[Found]:
    """Parameters of drivers that were added; those of the kernel's own are the distribution's business."""
    name = line.name.replace("-", "_")
    file = release.loaded(name)
    module = release.module(file) if file is not None and not file.is_own else None
    if file is None or module is None:
        return
    for parameter in _unknown(module, line.rest):
        words: dict[str, object] = {"line": line.text, "path": file.real, "parameter": parameter, "name": name}
        yield _of_line("options-unknown", release, line, name, words)


def _unknown(module: Module, words: str) -> list[str]:
    """The parameters among these words that a module has not; none where its table cannot be read."""
    header = module.elf.header
    arch = arch_of_elf(header.machine, module.elf.bits, big_endian=module.elf.big_endian)
    if arch is None:
        return []
    try:
        return unknown(Candidate(module.path, module.data, arch), words)
    except MalformedError:
        return []


def _missing_files(release: Release) -> Iterator[Found]:
    """Files that modules.dep names and that are gone: told one by one for what is to load, by depmod-stale in sum."""
    for wanted in release.settings.autoload:
        for one in release.lookup.ask(wanted.name).modules:
            gone = [path for path in (*one.needs, one.path) if path is not None and path not in release.tree.by_path]
            for path in gone:
                words: dict[str, object] = {
                    "name": wanted.name,
                    "path": release.shown(path),
                    "release": release.release,
                }
                yield _of_autoload("file-missing", release, wanted, words)


def _of_line(rule: str, release: Release, line: Directive, module: str, words: dict[str, object]) -> Found:
    return Found(rule=rule, kernel=release.release, path=line.file, line=line.line, module=module, words=words)
