# SPDX-License-Identifier: GPL-2.0-or-later
"""From module files to attempts: what each needs, in load order, and the parameters it gets. Boots nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.core.names import module_name, normalise_module_name
from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import read_module
from dlkm.prove.attempt import Attempt
from dlkm.prove.order import before_of, load_order
from dlkm.verdict.conditions import Conditions


def attempts_for(files: Sequence[Path], kernel: Kernel, conditions: Conditions) -> tuple[Attempt, ...]:
    """One attempt a file. What is needed comes from the given files first, else from the kernel's installed modules.

    A file that cannot be read as a module is tried as it is: the kernel's answer to it is an answer.
    """
    given = _Given(tuple(_read(path) for path in dict.fromkeys(files)), Installed(kernel.modules or Path("/nowhere")))
    return tuple(
        Attempt(files=(*given.needed(file), file.path), parameters=" ".join(conditions.params_of(file.name)))
        for file in (given.by_path[path] for path in files)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A given file; nothing is known of one that is no module."""

    path: Path
    name: str
    depends: tuple[str, ...] = ()
    exports: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()
    before: tuple[str, ...] = ()  # softdep, pre


@dataclass(frozen=True)
class _Given:
    files: tuple[_File, ...]
    installed: Installed

    def needed(self, file: _File) -> tuple[Path, ...]:
        """What must be loaded before this file, in that order."""
        order: dict[Path, None] = {}
        self._enter(file, order, {file.path})
        return tuple(order)

    def _enter(self, file: _File, order: dict[Path, None], entered: set[Path]) -> None:
        """Depth first; `entered` ends rings. Chains are as deep as there are given files."""
        foreign = [name for name in (*file.before, *file.depends) if name not in self._by_name]
        order |= dict.fromkeys(load_order(self.installed, foreign))
        for giver in self._givers(file):
            if giver.path not in entered:
                entered.add(giver.path)
                self._enter(giver, order, entered)
                order[giver.path] = None

    def _givers(self, file: _File) -> Iterator[_File]:
        named = [self._by_name[name] for name in (*file.before, *file.depends) if name in self._by_name]
        serving = (giver for giver in self._exporting if not giver.exports.isdisjoint(file.wanted))
        return iter(dict.fromkeys([*named, *serving]))

    @cached_property
    def by_path(self) -> dict[Path, _File]:
        return {file.path: file for file in self.files}

    @cached_property
    def _by_name(self) -> dict[str, _File]:
        return {file.name: file for file in reversed(self.files)}

    @cached_property
    def _exporting(self) -> tuple[_File, ...]:
        return tuple(file for file in self.files if file.exports)


def _read(path: Path) -> _File:
    try:
        module = read_module(path)
        return _File(
            path=path,
            name=normalise_module_name(module.name),
            depends=tuple(normalise_module_name(name) for name in module.depends),
            exports=frozenset(export.name for export in module.exports),
            wanted=frozenset(symbol.name for symbol in module.undefined),
            before=before_of(module),
        )
    except MalformedError:
        return _File(path=path, name=module_name(path.name))
