# SPDX-License-Identifier: GPL-2.0-or-later
"""The initramfs of a release against the root filesystem: another copy of a module, none, other configuration.

What the initramfs loads stays loaded: the root filesystem's own modprobe comes too late.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.names import is_release
from dlkm.rootfs.auditrules import Found, listed, places, table
from dlkm.rootfs.copies import Likeness, compare
from dlkm.rootfs.glance import Glance
from dlkm.rootfs.lookup import By
from dlkm.rootfs.modtree import ModuleFile
from dlkm.rootfs.release import Release
from dlkm.rootfs.root import Kind, Root
from dlkm.rootfs.settings import Settings
from dlkm.rootfs.statements import Directive, load_lines

Opener = Callable[[Path], AbstractContextManager[Root]]
OWN_LIST = "conf/modules"  # what initramfs-tools' init loads
_ABOUT = ("blacklist", "install", "options", "softdep")  # lines that change what a load does
_UNNAMED = re.compile(r"boot/initr(?!.*(?:[0-9]\.[0-9]|rescue)).*")
_DRACUT = re.compile(r"^\s*(?:add_drivers|force_drivers)\+?=\"?([^\"#]*)", re.MULTILINE)
_DRACUT_DIRS = ("etc/dracut.conf.d", "usr/lib/dracut/dracut.conf.d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Initramfs:
    """An initramfs in a root: where it lies, and whether its name says that it is a release's."""

    path: str
    named: bool


def initramfs_of(root: Root, release: str) -> tuple[Initramfs, ...]:
    """Those of a release by their names, in /boot, in directories of /boot named after it, beside its modules; and
    those in /boot whose names say no release, as mkinitcpio's.
    """
    names = [pattern.replace("{R}", release) for pattern in places("initramfs")]
    paths = [f"boot/{name}" for name in names]
    paths += [f"lib/modules/{release}/{name}" for name in places("initramfs_in_modules")]
    entries = root.entries("boot")
    paths += [f"{entry.path}/{release}/initrd" for entry in entries if entry.kind is Kind.DIRECTORY]
    unnamed = [entry.path for entry in entries if _UNNAMED.fullmatch(entry.path)]
    found: dict[str, Initramfs] = {}
    for path in (*paths, *unnamed):
        place = root.place(path)
        if place.kind is Kind.FILE:
            found.setdefault(place.path, Initramfs(path=path, named=path in paths))
    return tuple(found.values())


def initramfs_findings(release: Release, initramfs: Initramfs, opener: Opener) -> Iterator[Found]:
    """All that is wrong with one of them."""
    try:
        with opener(release.root.host_path(initramfs.path)) as inner:
            if inner.place(release.folder).kind is Kind.DIRECTORY:
                inner.host_path(release.folder)  # unpacked at once
            yield from _Comparison(release, initramfs, Glance(inner)).findings()
    except UsageError as error:
        words = {"path": initramfs.path, "why": error.what}
        yield Found(rule="no-permission", kernel=release.release, path=initramfs.path, words=words)
    except MalformedError as error:
        why = error.what.replace(f"{release.root.tree}/", "")
        yield _found("initramfs-unreadable", release, initramfs, {"why": why})


def own_wishes(release: Release) -> Iterator[Found]:
    """Names that an initramfs which is looked at by itself is to load, and that it does not hold."""
    for name, place in _wanted_inside(release.root, release.settings):
        if place.startswith(OWN_LIST) and release.lookup.ask(name).by is By.NOTHING:
            words: dict[str, object] = {"initramfs": release.root.path.name, "name": name, "place": f"its own {place}"}
            words |= {"command": maker(release), "release": release.release}
            yield Found(rule="initramfs-lacks", kernel=release.release, path=OWN_LIST, module=name, words=words)


class _Comparison:
    """An open initramfs beside the root it belongs to."""

    def __init__(self, release: Release, initramfs: Initramfs, inner: Root) -> None:
        self._outer, self._initramfs, self._root = release, initramfs, inner
        settings = Settings.of(inner, release.settings.kmod)
        self._inner = Release(root=inner, release=release.release, settings=settings)

    def findings(self) -> Iterator[Found]:
        """Copies, what is lacking, configuration, its own tables."""
        if not self._inner.tree.files and not self._initramfs.named:
            return  # another release's
        yield from self._other_release()
        for name in self._inner.tree.by_name:
            yield from self._copy(name)
        yield from self._lacking()
        yield from self._configuration()
        yield from self._tables()

    def _other_release(self) -> Iterator[Found]:
        if self._inner.tree.files:
            return
        found = {entry.path.rpartition("/")[2] for folder in ("lib/modules", "usr/lib/modules")
                 for entry in self._root.entries(folder) if entry.kind is Kind.DIRECTORY}  # fmt: skip
        releases = sorted(name for name in found if is_release(name) and name != self._outer.release)
        if releases:
            yield self._found("initramfs-other-release", {"releases": listed(releases)})

    def _copy(self, name: str) -> Iterator[Found]:
        """The file of one module that is loaded there, against the one that is loaded here."""
        inside = self._inner.loaded(name) or self._inner.tree.by_name[name][0]
        mine = self._outer.loaded(name) or next(iter(self._outer.tree.by_name.get(name, ())), None)
        words: dict[str, object] = {"name": name, "inside": inside.real}
        if mine is None:
            if not self._outer.lookup.is_builtin(name):
                yield self._found("initramfs-left-over", words, name)
            return
        if self._same(inside, mine):
            return
        shadowed = [file for file in self._outer.tree.by_name[name] if file != mine]
        in_tree = inside.is_own and any(file.is_own and self._same(inside, file) for file in shadowed)
        rule = "initramfs-lacks-winner" if in_tree and not mine.is_own else "initramfs-other-copy"
        yield self._found(rule, words | {"path": mine.real}, name)

    def _same(self, inside: ModuleFile, mine: ModuleFile) -> bool:
        return compare(self._root, inside.real, self._outer.root, mine.real) is not Likeness.DIFFERENT

    def _lacking(self) -> Iterator[Found]:
        """Modules that the root's configuration wants in it, and names that the initramfs itself is to load."""
        inside = ((name, f"its own {place}") for name, place in _wanted_inside(self._root, self._inner.settings))
        for name, place in (*_wanted_outside(self._outer.root), *inside):
            answer = self._inner.lookup.ask(name)
            if answer.by is By.NOTHING and not self._outer.lookup.is_builtin(name):
                yield self._found("initramfs-lacks", {"name": name, "place": place}, name)

    def _configuration(self) -> Iterator[Found]:
        inside = {_said(line): line for line in self._lines(self._inner.settings)}
        outside = {_said(line): line for line in self._lines(self._outer.settings)}
        for said, line in outside.items():
            if said not in inside:
                words: dict[str, object] = {"line": line.text, "place": line.place}
                yield self._found("initramfs-conf-differs", words, line.name)
        for said, line in inside.items():
            if said not in outside:
                words = {"line": line.text, "place": line.place}
                yield self._found("initramfs-conf-differs/left-over", words, line.name)

    def _lines(self, settings: Settings) -> Iterator[Directive]:
        """Those about modules that the initramfs holds."""
        for line in settings.directives:
            if line.kind in _ABOUT and line.name.replace("-", "_") in self._inner.tree.by_name:
                yield line

    def _tables(self) -> Iterator[Found]:
        """Whether modprobe finds in it what it holds."""
        lookup = self._inner.lookup
        unlisted = [name for name in self._inner.tree.by_name if self._inner.loaded(name) is None]
        gone = [path for path in lookup.files.values() if path not in self._inner.tree.by_path]
        if unlisted:
            yield self._found("initramfs-depmod", {"what": f"modules.dep.bin does not list {listed(sorted(unlisted))}"})
        if gone:
            yield self._found(
                "initramfs-depmod", {"what": f"modules.dep.bin lists files that are gone: {listed(gone)}"}
            )
        for name, why in lookup.faults.items():
            yield self._found("initramfs-depmod", {"what": f"{name} is damaged: {why}"})

    def _found(self, rule: str, words: dict[str, object], module: str | None = None) -> Found:
        return _found(rule, self._outer, self._initramfs, words, module)


def _said(line: Directive) -> tuple[str, str, str]:
    return line.kind, line.name.replace("-", "_"), " ".join(line.rest.split())


def _wanted_outside(root: Root) -> Iterator[tuple[str, str]]:
    """What the tools that make an initramfs are told to put into it."""
    path = "etc/initramfs-tools/modules"
    for line in load_lines(root.read(path) or b""):
        yield line.text.split()[0], f"{path}:{line.number}"
    files = ["etc/dracut.conf", *(entry.path for folder in _DRACUT_DIRS for entry in root.entries(folder))]
    for path in files:
        if path.endswith(".conf"):
            text = (root.read(path) or b"").decode("utf-8", "surrogateescape")
            for match in _DRACUT.finditer(text):
                yield from ((name, path) for name in match[1].split())


def _wanted_inside(root: Root, settings: Settings) -> Iterator[tuple[str, str]]:
    """What the initramfs is to load by its own files: initramfs-tools' conf/modules, systemd's modules-load.d."""
    for line in load_lines(root.read(OWN_LIST) or b""):
        yield line.text.split()[0], f"{OWN_LIST}:{line.number}"
    yield from ((one.name, one.place) for one in settings.autoload)


def _found(
    rule: str, release: Release, initramfs: Initramfs, words: dict[str, object], module: str | None = None
) -> Found:
    words |= {"initramfs": initramfs.path, "release": release.release, "command": maker(release)}
    return Found(rule=rule, kernel=release.release, path=initramfs.path, module=module, words=words)


def maker(release: Release) -> str:
    """The command that makes an initramfs anew on that root filesystem."""
    root = release.root
    for one in table()["makers"]:
        if not one["files"] or any(root.place(path).kind is Kind.FILE for path in one["files"]):
            return str(one["command"]).replace("{R}", release.release)
    raise AssertionError("the last of the makers needs no file")
