# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gives a symbol: the kernel, its installed modules, or modules that come along. Judges nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from dlkm.core.names import module_name, normalise_module_name
from dlkm.kernel.facts import Facts
from dlkm.ko.exports import Export
from dlkm.ko.module import Module
from dlkm.verdict.era import Era, era_of
from dlkm.verdict.licence import is_proprietary
from dlkm.verdict.others import Others


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A symbol that somebody gives. `owner` is the module's name, "" for the kernel itself.

    `crc` is None where the giver has none; `gpl` None where the licence class cannot be known.
    """

    name: str
    owner: str
    crc: int | None
    gpl: bool | None
    namespace: str
    proprietary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a giver is not there: `chain` are modules, each needed by the one before, `why` is about the last of them.

    `unsure`: whether it loads cannot be told.
    """

    chain: tuple[str, ...]
    why: str = ""
    unsure: bool = False


def exports_in(era: Era, exports: Iterable[Export]) -> tuple[Export, ...]:
    """A module's exports as a kernel finds them, in its order.

    With flags (7.1) only those of the one table, by name; before, nobody looks at flags, and the GPL-only ones have a
    table of their own, which comes last.
    """
    if "export-flags" in era.features:
        return tuple(sorted((one for one in exports if one.flagged), key=lambda export: export.name))
    seen = (replace(one, gpl=False) if one.flagged else one for one in exports)
    return tuple(sorted(seen, key=lambda export: (export.gpl, export.name)))


def near_name(symbol: str, names: Iterable[str]) -> str | None:
    """A name that is the same but for underscores and case, or else the nearest that begins alike, or None."""
    from difflib import get_close_matches

    bare = symbol.strip("_").casefold()
    if len(bare) < 4:
        return None
    alike = {name: name.strip("_").casefold() for name in names if bare[:4] in name[: len(bare)].casefold()}
    same = next((name for name, plain in alike.items() if plain == bare), None)
    near = get_close_matches(symbol, alike, n=1, cutoff=0.85) if same is None else [same]
    return near[0] if near else None


@dataclass(frozen=True, kw_only=True)
class Supply:
    """All givers for one module. `along` are modules loaded before it, `refused` names of those that will not load,
    `tainted` of those that count as proprietary, by their licence or by whose symbols they use.

    `unusable` are more modules that would come along and will not load, with the reasons; `refuses` says why one that
    is installed with the kernel will not. `others` and `recorded` (the kernel it was built for, by the record of its
    build) only serve to say more.
    """

    facts: Facts
    along: Sequence[Module] = ()
    refused: frozenset[str] = frozenset()
    tainted: frozenset[str] = frozenset()
    unusable: Sequence[tuple[Module, Refusal]] = ()
    refuses: Callable[[str], Refusal | None] = lambda _name: None
    others: Others | None = None
    recorded: str | None = None
    handed: list[Refusal] = field(default_factory=list)  # reasons that were asked for, in that order

    def find(self, symbol: str) -> Found | None:
        """Who gives it: the kernel first, then modules (kernel/module/main.c: find_symbol); None for nobody."""
        known = self.facts.exports.get(symbol)
        if known is not None and known.from_kernel:
            return Found(name=symbol, owner="", crc=known.crc, gpl=known.gpl, namespace=known.namespace)
        if symbol in self._given:
            return self._from_module(*self._given[symbol])
        if known is None:
            return None
        owner = module_name(known.provider)
        if owner in self._names or owner in self.refused:
            return None
        gpl = known.gpl if self.facts.exports_complete or known.provider else None
        return Found(name=symbol, owner=owner, crc=known.crc, gpl=gpl, namespace=known.namespace)

    def provider_installed(self, found: Found) -> bool:
        """Whether the module that gives it is there to be loaded first; True where nobody can look."""
        if found.owner in self._names or self.facts.installed is None:
            return True
        return found.owner in self.facts.builtin or self.facts.installed.find(found.owner) is not None

    def certainly_loaded(self, found: Found) -> bool:
        """Whether the giver is there when the module loads: the kernel, a built-in, or one that comes along."""
        return not found.owner or found.owner in self._names or found.owner in self.facts.builtin

    def chain(self, symbol: str) -> Refusal | None:
        """Why the module that would give the symbol is refused itself; None when there is none."""
        for module in self.along:
            name = normalise_module_name(module.name)
            if name in self.refused and any(export.name == symbol for export in module.exports):
                return self._handed(Refusal(chain=(name,)))
        for module, refusal in self.unusable:
            if any(export.name == symbol for export in module.exports):
                return self._handed(refusal)
        return None

    def refusal_of(self, found: Found) -> Refusal | None:
        """Why the installed module that gives it will not load; None when it will, or it is none of those."""
        if not found.owner or found.owner in self._names or found.owner in self.facts.builtin:
            return None
        refusal = self.refuses(found.owner)
        return None if refusal is None else self._handed(refusal)

    def _handed(self, refusal: Refusal) -> Refusal:
        self.handed.append(refusal)
        return refusal

    def comes_along(self, found: Found) -> bool:
        """Whether a module gives it that comes along."""
        return found.owner in self._names

    def has(self, name: str) -> bool:
        """Whether a module of that name comes along, will it load or not."""
        return name in self._names or any(normalise_module_name(module.name) == name for module, _ in self.unusable)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(normalise_module_name(module.name) for module in self.along)

    @cached_property
    def _given(self) -> dict[str, tuple[Module, Export]]:
        usable = [module for module in self.along if normalise_module_name(module.name) not in self.refused]
        pairs = ((module, exports_in(self._era, module.exports)) for module in reversed(usable))
        return {export.name: (module, export) for module, exports in pairs for export in exports}

    @cached_property
    def _era(self) -> Era:
        return era_of(self.facts.kernel)

    def _from_module(self, module: Module, export: Export) -> Found:
        owner = normalise_module_name(module.name)
        return Found(
            name=export.name,
            owner=owner,
            crc=export.crc,
            gpl=export.gpl,
            namespace=export.namespace,
            proprietary=owner in self.tainted or is_proprietary(module.name, module.license or "unspecified"),
        )
