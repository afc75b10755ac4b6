# SPDX-License-Identifier: GPL-2.0-or-later
"""What `modprobe NAME` would load on a root filesystem, and by which of its tables: libkmod's own search, step by step.

Source: libkmod/libkmod-module.c: kmod_module_new_from_lookup, kmod_module_probe_insert_module.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from dlkm.core.errors import MalformedError
from dlkm.core.names import normalise_module_name
from dlkm.core.wildcards import matches
from dlkm.rootfs.index import Index
from dlkm.rootfs.modtree import module_of_path
from dlkm.rootfs.statements import Directive, directives, underscores
from dlkm.rootfs.textindex import TextIndex

_Told = TypeVar("_Told")
SOFTDEPS = "modules.softdep"  # is read among the files of modprobe.d, by its name's place in the alphabet


class By(StrEnum):
    """Which table gave the answer; in this order they are asked, and the first that has one is the last asked."""

    CONFIGURED = "alias in modprobe.d"
    NAME = "name"
    SYMBOL = "symbol"
    COMMAND = "install command"
    ALIAS = "alias"
    BUILTIN = "built-in name"
    BUILTIN_ALIAS = "built-in alias"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One module that a lookup gives.

    `path` is its file, below the modules directory or absolute; None where modules.dep lists none, or the kernel has it
    built in (`builtin`): then nothing is loaded. `command` is the `install` line that is run in place of loading it,
    `blacklist` the line that names it. `needs` are the files loaded before it; `before` and `after` what softdeps add.
    """

    name: str
    path: str | None
    builtin: bool = False
    command: Directive | None = None
    blacklist: Directive | None = None
    needs: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a name stands for; `modules` are loaded one after the other."""

    asked: str
    by: By
    modules: tuple[Found, ...] = ()

    @property
    def is_alias(self) -> bool:
        """Whether it was found by something else than its name: only then does modprobe itself obey a blacklist."""
        return self.by in {By.CONFIGURED, By.ALIAS, By.SYMBOL, By.BUILTIN_ALIAS}


class Lookup:
    """One release's tables and the configuration that goes with them.

    `read` gives the bytes of a file in the modules directory, or None. `faults` tells of damaged indexes, which are as
    if they were not there. `texts`: the tables' text forms are asked, as BusyBox does.
    """

    def __init__(
        self,
        read: Callable[[str], bytes | None],
        settings: Sequence[Directive],
        where: str = "",
        *,
        texts: bool = False,
    ) -> None:
        self._read = read
        self._texts = texts
        self._directives = tuple(settings)
        self._where = where
        self._indexes: dict[str, Index | TextIndex | None] = {}
        self._found: dict[tuple[str, bool], Found] = {}
        self.faults: dict[str, str] = {}

    def ask(self, name: str) -> Answer:
        """Who is meant. A name that libkmod takes for no name at all is nothing."""
        plain = underscores(name)
        if plain is None:
            return Answer(asked=name, by=By.NOTHING)
        for by, search in self._searches.items():
            names = tuple(dict.fromkeys(search(plain)))
            if names:
                builtin = by is By.BUILTIN_ALIAS
                return Answer(asked=name, by=by, modules=tuple(self.module(one, builtin=builtin) for one in names))
        return Answer(asked=name, by=By.NOTHING)

    def module(self, name: str, *, builtin: bool = False) -> Found:
        """What is done with a module once it is found, by its own name."""
        asked = _plain(name), builtin
        if asked not in self._found:
            self._found[asked] = self._module(*asked)
        return self._found[asked]

    def _module(self, plain: str, builtin: bool) -> Found:  # noqa: FBT001
        line = self._dep(plain)
        path, _, rest = (line or "").partition(":")
        before, after = self.softdeps(plain)
        command = next((one for one in self._of("install") if matches(_plain(one.name), plain)), None)
        built_in = builtin or self.is_builtin(plain)
        return Found(
            name=plain,
            path=path if line is not None and not built_in else None,
            builtin=built_in,
            # A module with softdeps is loaded whatever its install line says (__kmod_module_fill_softdep: ignorecmd).
            command=None if before or after else command,
            blacklist=self.blacklisted(plain),
            needs=tuple(reversed(rest.split())),
            before=before,
            after=after,
        )

    def blacklisted(self, name: str) -> Directive | None:
        """The line that blacklists a module."""
        return self._blacklist.get(_plain(name))

    def is_builtin(self, name: str) -> bool:
        """Whether kmod takes it for a part of the kernel."""
        return self._from("modules.builtin.bin", lambda index: index.find(_plain(name))) is not None

    def builtin_for(self, alias: str) -> tuple[str, ...]:
        """The built-in modules that answer to an alias, whether or not a module is loaded for it."""
        plain = underscores(alias)
        return self._wild("modules.builtin.alias.bin", plain) if plain is not None else ()

    def softdeps(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The modules that are loaded before and after it by the first softdep that names it; only ones there are."""
        line = self.softdep_line(name)
        if line is None:
            return (), ()
        before, after = softdep_names(line)
        return tuple(filter(self._is_known, before)), tuple(filter(self._is_known, after))

    def softdep_line(self, name: str) -> Directive | None:
        """The softdep that counts for a module."""
        return next((one for one in self._of("softdep") if matches(_plain(one.name), _plain(name))), None)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Every module that modules.dep lists, and its file."""
        return {name: line.partition(":")[0] for name, line in self._deps.items()}

    @cached_property
    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the modules that it has loaded before each of them."""
        return {name: tuple(map(module_of_path, line.split()[1:])) for name, line in self._deps.items()}

    def replaced(self, found: Found) -> Iterator[tuple[str, Directive]]:
        """The modules that it needs and that a command is run for, in their order, with the line."""
        for path in found.needs:
            needed = self.module(module_of_path(path))
            if needed.command is not None:
                yield needed.name, needed.command

    @cached_property
    def _deps(self) -> Mapping[str, str]:
        return dict(self._from("modules.dep.bin", lambda index: tuple(index.items())) or ())

    def _is_known(self, name: str) -> bool:
        return self._answer_names(name) != ()

    def _answer_names(self, name: str) -> tuple[str, ...]:
        plain = underscores(name)
        if plain is None:
            return ()
        return next((found for search in self._searches.values() if (found := tuple(search(plain)))), ())

    @cached_property
    def _searches(self) -> dict[By, Callable[[str], Iterable[str]]]:
        return {
            By.CONFIGURED: self._configured,
            By.NAME: lambda name: (name,) if ":" not in name and self._dep(name) is not None else (),
            By.SYMBOL: lambda name: self._wild("modules.symbols.bin", name) if name.startswith("symbol:") else (),
            By.COMMAND: lambda name: (name,) if any(_plain(one.name) == name for one in self._of("install")) else (),
            By.ALIAS: lambda name: self._wild("modules.alias.bin", name),
            By.BUILTIN: lambda name: (name,) if self.is_builtin(name) else (),
            By.BUILTIN_ALIAS: lambda name: self._wild("modules.builtin.alias.bin", name),
        }

    def _configured(self, name: str) -> Iterator[str]:
        for one in self._of("alias"):
            if matches(_plain(one.name), name):
                yield _plain(one.rest.split()[0])

    def _wild(self, file: str, name: str) -> tuple[str, ...]:
        return tuple(map(_plain, self._from(file, lambda index: index.matching(name)) or ()))

    def _dep(self, name: str) -> str | None:
        return self._from("modules.dep.bin", lambda index: index.find(name))

    def _of(self, kind: str) -> Sequence[Directive]:
        return self._lines.get(kind, ())

    @cached_property
    def _lines(self) -> dict[str, list[Directive]]:
        found: dict[str, list[Directive]] = {}
        for line in self._in_order():
            found.setdefault(line.kind, []).append(line)
        return found

    def _in_order(self) -> list[Directive]:
        listed = b"" if self._texts else self._read(SOFTDEPS) or b""
        own = [line for line in directives(listed, SOFTDEPS) if line.kind]
        return sorted((*self._directives, *own), key=lambda line: line.file.rpartition("/")[2])

    @cached_property
    def _blacklist(self) -> dict[str, Directive]:
        return {_plain(line.name): line for line in reversed(self._of("blacklist"))}

    def _from(self, file: str, ask: Callable[[Index | TextIndex], _Told | None]) -> _Told | None:
        """What an index says; None where it is missing or damaged, which is noted."""
        try:
            if file not in self._indexes:
                self._indexes[file] = self._opened(file)
            index = self._indexes[file]
            return None if index is None else ask(index)
        except MalformedError as error:
            self.faults[file] = error.what
            self._indexes[file] = None
            return None

    def _opened(self, file: str) -> Index | TextIndex | None:
        data = self._read(file.removesuffix(".bin") if self._texts else file)
        if not data:  # depmod leaves an empty file where it has nothing to list
            return None
        return TextIndex(data) if self._texts else Index(data, f"{self._where}{file}")


def softdep_names(line: Directive) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names after `pre:` and after `post:`."""
    before: list[str] = []
    after: list[str] = []
    into: list[str] = []
    for word in line.rest.split():
        into = before if word == "pre:" else after if word == "post:" else into
        if word not in {"pre:", "post:"}:
            into.append(word)
    return tuple(before), tuple(after)


def _plain(name: str) -> str:
    return underscores(name) or normalise_module_name(name)
