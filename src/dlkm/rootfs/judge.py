# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user should know of a root filesystem as it will be: modules that do not win, do not load, or are missing."""

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dlkm.core.names import module_name, normalise_module_name
from dlkm.ko.module import Module
from dlkm.rootfs.conf import Wanted
from dlkm.rootfs.depmod import Depmod, modules_dir
from dlkm.rootfs.root import Kind, Root
from dlkm.rootfs.settings import Settings
from dlkm.rootfs.statements import Directive

LIST_LIMIT = 16 << 20  # bytes of modules.builtin
EVERY_MODULES = frozenset({"async_probe", "dyndbg"})  # kernel/module/main.c: unknown_module_param_cb


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A release's modules directory as it will be: what is given for it, depmod's answer, and modules.builtin."""

    release: str
    given: tuple[Module, ...]
    depmod: Depmod
    builtin: frozenset[str]

    def wins(self, name: str) -> str | None:
        """The file below the modules directory that `modprobe NAME` loads; None for a built-in or unknown name."""
        return None if name in self.builtin else self.depmod.winners.get(name)

    def missing(self, module: Module) -> tuple[str, ...]:
        """The modules that it needs, itself or by way of others given with it, and that will not be there."""
        there = {*self.depmod.winners, *self.builtin}
        given = {module_name(one.path.name): one for one in self.given}
        needed = [normalise_module_name(name) for name in module.depends]
        for name in needed:  # grows on the way
            further = [normalise_module_name(other) for other in given[name].depends] if name in given else []
            needed += [other for other in dict.fromkeys(further) if other not in needed]
        return tuple(name for name in dict.fromkeys(needed) if name not in there)

    @cached_property
    def aliases(self) -> tuple[str, ...]:
        """The wildcards of modules.alias."""
        text = self.depmod.files.get("modules.alias", b"").decode("utf-8", "replace")
        lines = (line.split(" ", 2) for line in text.splitlines())
        return tuple(words[1] for words in lines if len(words) == 3 and words[0] == "alias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is asked for, what the configuration said before, the trees as they will be, the files we write."""

    wanted: Wanted
    present: Settings
    trees: tuple[Tree, ...]
    files: tuple[str, ...]


def warnings_of(situation: Situation, root: Root) -> Iterator[str]:
    """All that looks wrong, in words; nothing of it stops the staging."""
    for tree in situation.trees:
        for module in tree.given:
            yield from _of_module(module, tree)
    yield from _unresolved(situation, root)
    yield from _blacklisted(situation)
    yield from _unknown_parameters(situation)
    yield from _shadowed_files(situation, root)


def builtin_modules(root: Root, release: str) -> frozenset[str]:
    """The modules that are part of the kernel, from modules.builtin; none when nothing tells."""
    data = root.read(f"{modules_dir(release)}/modules.builtin", LIST_LIMIT) or b""
    return frozenset(module_name(line) for line in data.decode("utf-8", "replace").splitlines())


def _of_module(module: Module, tree: Tree) -> Iterator[str]:
    name = module_name(module.path.name)
    if normalise_module_name(module.name) != name:
        yield f"{module.path.name}: the module in it is called {module.name}; 'modprobe {module.name}' will not find it"
    winner = tree.depmod.winners.get(name)
    if winner is None:
        yield f"{name}: depmod for {tree.release} lists no file of that name"
    elif winner != f"updates/{module.path.name}":
        yield f"{name}: {winner} wins over it on {tree.release}"
    if name in tree.builtin:
        yield f"{name} is part of the kernel {tree.release} itself: 'modprobe {name}' does nothing there"
    for needed in tree.missing(module):
        where = f"is not in this root for {tree.release}"
        yield f"{name} needs {needed}, which {where}: modprobe will fail until it is installed"


def _unresolved(situation: Situation, root: Root) -> Iterator[str]:
    """Names to load at boot that are no module, no alias and not built in; judged for each release we touched."""
    aliases = [line.name for line in situation.present.directives if line.kind == "alias"]
    for name in situation.wanted.autoload:
        plain = normalise_module_name(name)
        for tree in situation.trees:
            known = {*tree.depmod.winners, *tree.builtin}
            if plain not in known and not _matches(name, [*aliases, *tree.aliases]):
                yield f"autoload {name}: no module of that name for {tree.release}"
    if not situation.trees:
        yield from _unresolved_anywhere(situation, root)


def _unresolved_anywhere(situation: Situation, root: Root) -> Iterator[str]:
    """The same where no module is staged: by the modules.dep of the kernels that are installed."""
    releases = [entry.path.rpartition("/")[2] for entry in root.entries("lib/modules") if entry.kind is Kind.DIRECTORY]
    known: set[str] = set()
    for release in releases:
        text = (root.read(f"{modules_dir(release)}/modules.dep", LIST_LIMIT) or b"").decode("utf-8", "replace")
        known |= {module_name(line.partition(":")[0]) for line in text.splitlines()} | builtin_modules(root, release)
    for name in situation.wanted.autoload:
        if normalise_module_name(name) not in known:
            yield f"autoload {name}: no module of that name is installed there"


def _matches(name: str, wildcards: list[str]) -> bool:
    """Whether an alias stands for it; kmod compares with '-' as '_' (libkmod: alias_normalize)."""
    plain = normalise_module_name(name)
    return any(fnmatch.fnmatchcase(plain, normalise_module_name(wildcard)) for wildcard in wildcards)


def _blacklisted(situation: Situation) -> Iterator[str]:
    """systemd-modules-load obeys the blacklist, so that such a module is not loaded at boot."""
    asked = [line for line in situation.wanted.lines if line.kind == "blacklist"]
    for name in situation.wanted.autoload:
        new = next((line for line in asked if line.about(name)), None)
        old = situation.present.blacklisted(name)
        if new is not None or old is not None:
            where = f" in {old.place}" if new is None and old is not None else ""
            yield f"{name} is to load at boot but is blacklisted{where}: systemd-modules-load will not load it"
    for line in asked:
        for other in situation.present.autoload:
            if line.about(other.name) and other.name not in situation.wanted.autoload:
                yield f"{line.name} is blacklisted but {other.place} names it: it will not load at boot any more"


def _unknown_parameters(situation: Situation) -> Iterator[str]:
    for line in situation.wanted.lines:
        if line.kind == "options":
            for tree in situation.trees:
                for module in tree.given:
                    if line.about(module_name(module.path.name)):
                        yield from _parameters(line, module)


def _parameters(line: Directive, module: Module) -> Iterator[str]:
    known = EVERY_MODULES | {value.partition(":")[0] for value in (*module.all("parm"), *module.all("parmtype"))}
    for word in line.rest.split():
        name = normalise_module_name(word.partition("=")[0])
        if name.isidentifier() and name not in known and "." not in word.partition("=")[0] and '"' not in line.rest:
            yield f"options {line.name}: it has no parameter {name}; the kernel will ignore it"


def _shadowed_files(situation: Situation, root: Root) -> Iterator[str]:
    """A file of ours below /usr/lib is not read where /etc has one of that name."""
    for path in situation.files:
        folder, _, name = path.rpartition("/")
        other = f"etc/{folder.rpartition('/')[2]}/{name}"
        if not path.startswith("etc/") and root.place(other, follow=False).kind is not Kind.MISSING:
            yield f"{path} will not be read: {other} comes first"
