# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts on many files for one kernel: its facts read once, modules that need each other judged in their order."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.names import module_name, normalise_module_name
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module, read_module
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.check import judge
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.quick import Quick
from dlkm.verdict.reading import plain_bytes
from dlkm.verdict.supply import Supply
from dlkm.verdict.verdict import Outcome, Verdict


class Session:
    """One kernel, the conditions, and the files that come along.

    Modules that are no part of the kernel and export something serve the other files, unless they are refused
    themselves: then their users are too.
    """

    def __init__(self, kernel: Kernel, conditions: Conditions, files: Iterable[Path] = ()) -> None:
        self.kernel = kernel
        self.conditions = conditions
        self.facts = Facts(kernel)
        self._files = tuple(files)
        self._judged: dict[Path, Verdict] = {}
        self._refused: dict[str, None] = {}

    def verdict(self, path: Path) -> Verdict:
        """The verdict on one file; UsageError when it cannot be read, MalformedError when it cannot be unpacked."""
        self._judge_providers()
        return self._judged.get(path) or self._judge(Candidate(path, plain_bytes(path), self.kernel.arch))

    def answer(self, path: Path) -> Verdict | DlkmError:
        """The verdict, or why there can be none."""
        try:
            return self.verdict(path)
        except DlkmError as error:
            return error

    def prepare(self) -> None:
        """Read what all files need, before the work is shared among processes."""
        self._judge_providers()
        if self._quick.usable:
            self._quick.prepare()

    def plain(self, path: Path) -> tuple[str, str] | None:
        """Name and taint of a module that surely loads without a finding; None for one that needs its verdict."""
        if not self._quick.usable or self._providers:
            return None
        try:
            return self._quick.answer(plain_bytes(path))
        except DlkmError:
            return None

    @cached_property
    def _quick(self) -> Quick:
        return Quick(self.facts, self.conditions, era_of(self.kernel), self._files)

    def _judge(self, candidate: Candidate) -> Verdict:
        supply = Supply(facts=self.facts, along=self._along(candidate), refused=frozenset(self._refused))
        return judge(candidate, self.facts, self.conditions, supply)

    def _along(self, candidate: Candidate) -> tuple[Module, ...]:
        """The given modules that export something, and the installed ones that this file depends on and that are no
        part of the kernel; never the file itself.
        """
        installed = self._installed_for(candidate) if self._has_foreign else ()
        return tuple(module for module in (*self._providers, *installed) if module.path != candidate.path)

    @cached_property
    def _providers(self) -> tuple[Module, ...]:
        """The given modules that may serve others, each after those whose symbols it uses."""
        exporting = [module for module in map(_foreign, self._outside()) if module is not None and module.exports]
        return tuple(_in_order(exporting))

    def _outside(self) -> Iterator[Path]:
        """The given files that are not the kernel's own installed ones."""
        own = f"{self.kernel.modules}/kernel/"
        return (path for path in self._files if not str(path).startswith(own))

    @cached_property
    def _has_foreign(self) -> bool:
        """Whether installed modules can give what Module.symvers does not list."""
        return self.facts.symvers is not None and self.facts.installed is not None

    def _installed_for(self, candidate: Candidate) -> tuple[Module, ...]:
        installed, symvers = self.facts.installed, self.facts.symvers
        assert installed is not None
        assert symvers is not None
        try:
            named = (candidate.field("depends") or "").split(",")
        except DlkmError:
            return ()
        names = [name for name in named if name and normalise_module_name(name) not in self._own_providers]
        if not names:
            return ()
        try:
            files = installed.load_order(names)
            return tuple(read_module(path) for path in files if module_name(path.name) not in self._own_providers)
        except DlkmError:
            return ()

    @cached_property
    def _own_providers(self) -> frozenset[str]:
        symvers = self.facts.symvers
        return frozenset(map(module_name, symvers.providers)) if symvers is not None else frozenset()

    def _judge_providers(self) -> None:
        for module in self._providers:
            if module.path in self._judged:
                return
            verdict = self._judge(Candidate(module.path, module.data, self.kernel.arch))
            self._judged[module.path] = verdict
            if verdict.outcome is Outcome.FAILS:
                self._refused[normalise_module_name(module.name)] = None


def _foreign(path: Path) -> Module | None:
    """A module that was not built with a kernel; None for one that was, and for what is no module at all."""
    try:
        module = read_module(path)
        return module if module.field("intree") is None and module.elf.section("__ksymtab_strings") else None
    except DlkmError:
        return None


def _in_order(modules: Sequence[Module]) -> Iterator[Module]:
    """Givers before users; in a ring, the order given."""
    givers = {export.name: module for module in reversed(modules) for export in module.exports}
    done: set[Path] = set()
    for start in modules:
        stack = [start]
        while stack:
            module = stack[-1]
            needed = {givers[one.name].path: givers[one.name] for one in module.undefined if one.name in givers}
            waiting = [giver for path, giver in needed.items() if path not in done and giver not in stack]
            if waiting:
                stack.append(waiting[0])
                continue
            stack.pop()
            if module.path not in done:
                done.add(module.path)
                yield module
