# SPDX-License-Identifier: GPL-2.0-or-later
"""Which file each name and alias stands for on a release, and why, in a form that can be shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from dlkm.rootfs.lookup import Answer, By, Found
from dlkm.rootfs.modtree import ModuleFile
from dlkm.rootfs.release import Release

_VENDOR = ("usr/", "lib/")  # directories of the distribution's own configuration


class How(StrEnum):
    """What `modprobe NAME` does."""

    FILE = "file"  # loads `wins`
    BUILT_IN = "built-in"
    COMMAND = "command"  # runs the install line in place of loading it
    NOTHING = "nothing"  # fails: there is no such module
    MISSING = "missing"  # fails: the file that modules.dep names is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasChoice:
    """An alias, the modules that are loaded for it one after the other, and those that a blacklist keeps out."""

    alias: str
    loads: tuple[str, ...]
    blacklisted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A module on a kernel. Paths are relative to the root.

    `wins` is the file that `modprobe NAME` loads, `shadowed` are the others that hold the module. `blacklist` and
    `command` are the lines that keep it out: the first from devices and at boot, the second from everybody.
    `autoload` says where modules-load.d names it.
    """

    kernel: str
    name: str
    how: How
    wins: str | None
    why: str
    shadowed: tuple[str, ...] = ()
    blacklist: str | None = None
    command: str | None = None
    autoload: tuple[str, ...] = ()
    aliases: tuple[AliasChoice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A name or alias that was asked for: by which table it was found, and the modules it stands for."""

    kernel: str
    asked: str
    by: By
    modules: tuple[str, ...]


def queries(release: Release, asked: Sequence[str]) -> Iterator[Query]:
    """What each name, alias or pattern of names stands for; a pattern that fits nothing is a query without modules."""
    for name in asked:
        answer = release.lookup.ask(name)
        if answer.by is By.NOTHING and set(name) & set("*?["):
            plain = name.replace("-", "_")
            found = tuple(sorted(one for one in release.tree.by_name if fnmatchcase(one, plain)))
            yield Query(kernel=release.release, asked=name, by=By.NAME if found else By.NOTHING, modules=found)
        else:
            modules = tuple(one.name for one in answer.modules)
            yield Query(kernel=release.release, asked=name, by=answer.by, modules=modules)


def interesting(release: Release, also: Sequence[str] = ()) -> tuple[str, ...]:
    """The modules worth a line: added ones, ones with several files, ones that the configuration names, and `also`.

    What the distribution itself blacklists is no news.
    """
    names = {file.name for file in release.added}
    names |= {name for name, files in release.tree.by_name.items() if len(files) > 1}
    for wanted in release.settings.autoload:
        names |= {one.name for one in release.lookup.ask(wanted.name).modules}
    for line in (*release.settings.of_kind("blacklist"), *release.settings.of_kind("install")):
        if not line.file.startswith(_VENDOR):
            names |= {line.name.replace("-", "_")} & release.tree.by_name.keys()
    return tuple(sorted(names | set(also)))


def choice(release: Release, name: str, *, aliases: bool = True) -> Choice:
    """What becomes of one module."""
    one = release.lookup.module(name)
    file = release.file(one.path)
    files = release.tree.by_name.get(one.name, [])
    stated = release.aliases(one.name) if aliases else {}
    return Choice(
        kernel=release.release,
        name=one.name,
        how=_how(one, file),
        wins=file.real if file is not None and one.command is None else None,
        why=_why(release, one, file, files),
        shadowed=tuple(other.real for other in files if other != file),
        blacklist=one.blacklist.place if one.blacklist is not None else None,
        command=f"{one.command.text} ({one.command.place})" if one.command is not None else None,
        autoload=tuple(wanted.place for wanted in release.settings.autoload
                       if any(found.name == one.name for found in release.lookup.ask(wanted.name).modules)),
        aliases=tuple(_alias(alias, answer) for alias, answer in stated.items()),
    )  # fmt: skip


def _how(one: Found, file: ModuleFile | None) -> How:
    if one.builtin:
        return How.BUILT_IN
    if one.command is not None:
        return How.COMMAND
    if one.path is None:
        return How.NOTHING
    return How.FILE if file is not None else How.MISSING


def _why(release: Release, one: Found, file: ModuleFile | None, files: Sequence[ModuleFile]) -> str:
    match _how(one, file):
        case How.BUILT_IN:
            return "the kernel has it built in"
        case How.COMMAND:
            idle = one.command is not None and one.command.loads_nothing
            return "modprobe runs " + ("a command that loads nothing" if idle else "a command in its place")
        case How.NOTHING:
            return "depmod's files do not list it" if files else "there is no file of that name"
        case How.MISSING:
            return f"modules.dep names {one.path}, which is not there"
        case How.FILE:
            return _why_file(release, one.path or "", files)


def _why_file(release: Release, path: str, files: Sequence[ModuleFile]) -> str:
    if len(files) == 1:
        return "the only file of that name"
    chosen = release.precedence.winner([other.path for other in files])
    if chosen == path:
        return release.precedence.why(path)
    return "modules.dep says so; the next depmod " + (f"takes {chosen}" if chosen else "may take another")


def _alias(alias: str, answer: Answer) -> AliasChoice:
    loads = tuple(one.name for one in answer.modules if one.blacklist is None)
    return AliasChoice(
        alias=alias, loads=loads, blacklisted=tuple(one.name for one in answer.modules if one.name not in loads)
    )
