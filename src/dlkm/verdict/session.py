# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts on many files for one kernel: its facts read once, modules that need each other judged in their order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

from dlkm.core.errors import DlkmError, MalformedError, UsageError
from dlkm.core.names import module_name, normalise_module_name
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.ko.elf import SHN_UNDEF
from dlkm.ko.modinfo import softdeps_before
from dlkm.ko.module import Module, read_module
from dlkm.verdict.background import Background
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.chain import Chain, refusal_in
from dlkm.verdict.check import candidate_of, judge
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.known import Plain
from dlkm.verdict.quick import Quick
from dlkm.verdict.reading import plain_bytes
from dlkm.verdict.supply import Refusal, Supply
from dlkm.verdict.verdict import Verdict

_PROPRIETARY = "P"  # the letter of taint
_FOREIGN = 512  # installed modules outside the kernel's directory that are looked at
_RING = (
    "each of them needs the other: there is no order to load them in; "
    "make one module of them, or put what both need into a third"
)


class Session:
    """One kernel, the conditions, and the files that come along.

    Modules that are no part of the kernel and export something serve the other files, unless they are refused
    themselves: then their users are too.
    """

    def __init__(
        self,
        kernel: Kernel,
        conditions: Conditions,
        files: Iterable[Path] = (),
        background: Background | None = None,
        facts: Facts | None = None,
    ) -> None:
        self.kernel = kernel
        self.conditions = conditions
        self.facts = facts or Facts(kernel)
        self._background = background or Background()
        self._files = tuple(dict.fromkeys((*files, *self._background.companions)))
        self._judged: dict[Path, Verdict] = {}
        self._refusals: dict[Path, Refusal] = {}
        self._tainted: set[Path] = set()  # modules that count as proprietary
        self._chain = Chain(self._judge_installed, self.facts, conditions)

    def verdict(self, path: Path) -> Verdict:
        """The verdict on one file; UsageError when it cannot be read, MalformedError when it cannot be unpacked."""
        self._judge_providers()
        return self._judged.get(path) or self._judge(candidate_of(path, plain_bytes(path), self.kernel))[0]

    def answer(self, path: Path) -> Verdict | DlkmError:
        """The verdict, or why there can be none."""
        try:
            return self.verdict(path)
        except DlkmError as error:
            return error

    @cached_property
    def quick(self) -> Quick | None:
        """Tells modules that surely load without a finding as long as none of the given ones serves them.

        None when this kernel and these conditions need a closer look at every file.
        """
        quick = Quick(self.facts, self.conditions, era_of(self.kernel))
        return quick if quick.usable else None

    def plain(self, path: Path) -> Plain | None:
        """Name and taint of a module that surely loads without a finding; None for one that needs its verdict."""
        return None if self.quick is None or self._providers else self.quick.look(str(path))

    @cached_property
    def touched(self) -> frozenset[str]:
        """Symbols of the kernel and its modules that come from elsewhere, or from nowhere, with the modules given.

        Either a given module exports one, too, or it takes the place of the installed module that does.
        """
        table = self.facts.table
        if table is None or not self._providers:
            return frozenset()
        names = {normalise_module_name(module.name) for module in self._providers}
        replaced = {provider for provider in table.providers if module_name(provider) in names}
        given = {export.name for module in self._providers for export in module.exports}
        return frozenset(name for name, owner in table.owners.items() if name in given or owner in replaced)

    def prepare(self) -> None:
        """Read what all files need, before the work is shared among processes."""
        self._judge_providers()

    def _judge(
        self, candidate: Candidate, later: Sequence[Module] = (), conditions: Conditions | None = None
    ) -> tuple[Verdict, Refusal | None]:
        """The verdict, and why users of the file fail. `later` are given modules that can only be loaded after it."""
        usable, unusable = self._along(candidate)
        names = {normalise_module_name(module.name) for module in usable}
        rings = [(module, Refusal(chain=(normalise_module_name(module.name),), why=_RING)) for module in later]
        supply = Supply(
            facts=self.facts,
            along=usable,
            refused=frozenset(refusal.chain[0] for _, refusal in unusable) - names,
            tainted=frozenset(normalise_module_name(one.name) for one in usable if one.path in self._tainted),
            unusable=(*unusable, *rings),
            refuses=partial(self._chain.refusal, whole=_is_foreign(candidate)),
            others=self._background.others,
            recorded=self._background.recorded.get(candidate.path),
        )
        verdict = judge(candidate, self.facts, conditions or self.conditions, supply)
        if _PROPRIETARY in verdict.taint:
            self._tainted.add(candidate.path)
        return verdict, refusal_in(verdict, supply.handed)

    def _along(self, candidate: Candidate) -> tuple[list[Module], list[tuple[Module, Refusal]]]:
        """The given modules that export something, and the installed ones that this file needs and that are no part of
        the kernel: those that load, and those that do not. Never the file itself; those beside it first.
        """
        given = [module for module in self._providers if module.path in self._judged]
        given.sort(key=lambda module: module.path.parent != candidate.path.parent)
        usable: list[Module] = []
        unusable: list[tuple[Module, Refusal]] = []
        for module in given:
            refusal = self._refusals.get(module.path)
            if module.path == candidate.path:
                continue
            if refusal is None:
                usable.append(module)
            else:
                unusable.append((module, refusal))
        for module in self._installed_for(candidate) if self.facts.installed is not None else ():
            refusal = self._chain.refusal(normalise_module_name(module.name), whole=True)
            if module.path != candidate.path and refusal is None:
                usable.append(module)
            elif refusal is not None:
                unusable.append((module, refusal))
        return usable, unusable

    @cached_property
    def _providers(self) -> tuple[Module, ...]:
        """The given modules that serve others, or should in place of one of the kernel's, each after those it uses."""
        owners = frozenset(map(module_name, self.facts.table.providers)) if self.facts.table is not None else ()
        found = (module for module in map(_foreign, self._outside()) if module is not None)
        serving = [one for one in found if one.exports or normalise_module_name(one.name) in owners]
        return tuple(_in_order(serving))

    def _outside(self) -> Iterator[Path]:
        """The given files that are not the kernel's own installed ones."""
        own = f"{self.kernel.modules}/kernel/"
        return (path for path in self._files if not str(path).startswith(own))

    def _installed_for(self, candidate: Candidate) -> Iterator[Module]:
        """Installed modules that are no part of the kernel: those it names, those its symbols are of, what they need.

        depmod looks at symbols, whatever `depends=` says.
        """
        installed = self.facts.installed
        assert installed is not None
        try:
            names = [*_named(candidate), *self._exporters(candidate)]
            paths = installed.load_order([name for name in names if self._is_foreign_name(name)])
        except (MalformedError, UsageError):  # not a damaged pool or a full disk: these end the work
            return
        for path in paths:
            if self._is_foreign_name(module_name(path.name)):
                try:
                    yield read_module(path)
                except DlkmError:
                    continue

    def _exporters(self, candidate: Candidate) -> Iterator[str]:
        """Installed modules, no part of the kernel, that export what the kernel does not give."""
        known = self.facts.exports
        for name, _, section in candidate.special_symbols():
            if section == SHN_UNDEF and name not in known and name in self._foreign_exports:
                yield self._foreign_exports[name]

    @cached_property
    def _foreign_exports(self) -> dict[str, str]:
        """By symbol, the installed module outside the kernel's own directory that exports it."""
        installed = self.facts.installed
        assert installed is not None
        outside = islice(installed.outside(), _FOREIGN)
        modules = [module for module in map(_foreign, outside) if module is not None]
        return {export.name: module_name(module.path.name) for module in modules for export in module.exports}

    def _is_foreign_name(self, name: str) -> bool:
        """Whether the installed module of that name is no part of the kernel."""
        installed = self.facts.installed
        assert installed is not None
        path = installed.find(name)
        if path is None or normalise_module_name(name) in self._own_providers:
            return False
        return self.facts.symvers is not None or not path.is_relative_to(installed.modules_dir / "kernel")

    @cached_property
    def _own_providers(self) -> frozenset[str]:
        symvers = self.facts.symvers
        return frozenset(map(module_name, symvers.providers)) if symvers is not None else frozenset()

    def _judge_installed(self, path: Path) -> Refusal | None:
        """An installed module, without the parameters that were given for the files asked about."""
        candidate = candidate_of(path, plain_bytes(path), self.kernel)
        return self._judge(candidate, conditions=replace(self.conditions, params=()))[1]

    def _judge_providers(self) -> None:
        for place, module in enumerate(self._providers):
            if module.path in self._judged:
                continue
            candidate = candidate_of(module.path, module.data, self.kernel)
            self._judged[module.path], refusal = self._judge(candidate, self._providers[place + 1 :])
            if refusal is not None:
                self._refusals[module.path] = refusal


def _is_foreign(candidate: Candidate) -> bool:
    try:
        return candidate.field("intree") is None
    except DlkmError:
        return True


def _named(candidate: Candidate) -> Iterator[str]:
    """What it names itself: `depends=`, and the softdeps that modprobe loads before it."""
    yield from candidate.depends
    for line in candidate.all("softdep"):
        yield from softdeps_before(line)


def _foreign(path: Path) -> Module | None:
    """A module that was not built with a kernel; None for one that was, and for what is no module or a damaged one."""
    try:
        module = read_module(path)
        return module if module.field("intree") is None and module.exports is not None else None
    except DlkmError:
        return None


def _undefined(module: Module) -> tuple[str, ...]:
    """The symbols that it needs; none for a module that is damaged there, which its own verdict tells."""
    try:
        return tuple(one.name for one in module.undefined)
    except DlkmError:
        return ()


def _in_order(modules: Sequence[Module]) -> Iterator[Module]:
    """Givers before users; in a ring, the order given."""
    givers = {export.name: module for module in reversed(modules) for export in module.exports}
    done: set[Path] = set()
    for start in modules:
        stack = [start]
        while stack:
            module = stack[-1]
            needed = {givers[name].path: givers[name] for name in _undefined(module) if name in givers}
            waiting = [giver for path, giver in needed.items() if path not in done and giver not in stack]
            if waiting:
                stack.append(waiting[0])
                continue
            stack.pop()
            if module.path not in done:
                done.add(module.path)
                yield module
