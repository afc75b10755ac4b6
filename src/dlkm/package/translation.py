# SPDX-License-Identifier: GPL-2.0-or-later
"""Relations in Yocto's words put into a system's: kernels, in-tree modules, packages of the run, everything else."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dlkm.package.lot import Lot
from dlkm.package.names import legitimised
from dlkm.package.relations import Relation, Term, each_term, parse
from dlkm.package.systems import KernelPackage, System, is_of_kernel, kernel_package, translated

_MODULE = "kernel-module-"


@dataclass(frozen=True, slots=True)
class Entry:
    """A package of the run: its name as it will be, its version in Yocto's words and as it will be, and whose it is."""

    name: str
    was: str
    version: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """Translates for one system.

    `renames` are the user's own words for relations, "" drops one. `own` are the packages of the run by release and
    Yocto's name, `virtual` what they provide. `warnings` grows by what nobody could translate.
    """

    system: System
    renames: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[tuple[str, str], Entry] = field(default_factory=dict)
    virtual: frozenset[str] = frozenset()
    kernel_package: str | None = None  # the user's own word for the kernel's package, "" for none
    warnings: list[str] = field(default_factory=list)

    def needs(self, lot: Lot, relations: Iterable[str]) -> tuple[str, ...]:
        """What a package depends on."""
        return each_term(relations, lambda term: self._need(lot, term))

    def wishes(self, lot: Lot, depends: Iterable[str], recommends: Iterable[str]) -> tuple[str, ...]:
        """What it recommends: as it says, and the kernel where that is all that can be said of it."""
        weak = self._kernel(lot).recommends
        asks_for_kernel = any(self._is_kernel(lot, term.name) for text in depends for term in parse(text))
        mapped = each_term(recommends, lambda term: self._need(lot, term, warn=False))
        wished = dict.fromkeys((*mapped, *([weak] if weak and asks_for_kernel else [])))
        needed = self.needs(lot, depends)
        return tuple(text for text in wished if text not in needed)

    def named(self, lot: Lot, relations: Iterable[str]) -> tuple[str, ...]:
        """What it provides, replaces or conflicts with: only packages of the run are called otherwise."""
        return each_term(relations, lambda term: (self._own(lot, term) or term,))

    def notes(self, lot: Lot) -> Iterator[str]:
        """What a user should know of the kernel's package."""
        why = self._kernel(lot).why
        if why:
            yield f"{lot.release}: {why} (--kernel-package says another)"

    def _need(self, lot: Lot, term: Term, *, warn: bool = True) -> Relation | None:
        if term.name in self.renames:
            return parse(self.renames[term.name]) if self.renames[term.name] else None
        own = self._own(lot, term)
        if own is not None or self.system is System.YOCTO:
            if self._is_replaced_kernel(lot, term.name):
                return self._of_kernel(lot)
            return (self._tied(lot, term, own) if own is not None else term,)
        if self._is_kernel(lot, term.name):
            return self._of_kernel(lot)
        if term.name.startswith(_MODULE):
            return self._module(lot, term)
        known = translated(term.name, self.system)
        if known is None and warn and term.name not in self.virtual:
            self.warnings.append(
                f"{term.name} is needed, which is Yocto's name: whether packages of {self.system} systems are called "
                f"so is not known; if it has another there, say --relation {term.name}=NAME"
            )
        return (Term(known, term.sense, term.version),) if known else None if known == "" else (term,)

    def _own(self, lot: Lot, term: Term) -> Term | None:
        """A package of the run under its name there; a version that names it exactly follows it."""
        entry = self.own.get((lot.release, term.name))
        if entry is None:
            return None
        version = entry.version if term.version == entry.was else term.version
        return Term(entry.name, term.sense, version)

    def _tied(self, lot: Lot, term: Term, found: Term) -> Term:
        """Modules of one source share symbols, so they are of one version, where the source itself says none."""
        entry = self.own.get((lot.release, term.name))
        if self.system is System.YOCTO or found.sense or entry is None or entry.source != lot.source:
            return found
        return Term(found.name, "=", entry.version) if term.name.startswith(_MODULE) else found

    def _module(self, lot: Lot, term: Term) -> Relation | None:
        """A module that no package of the run holds: the kernel's own, or a stranger's."""
        legal = legitimised(term.name.removeprefix(_MODULE).removesuffix(f"-{lot.release}"))
        if lot.in_tree is not None and legal not in lot.in_tree:
            if term.name not in self.virtual:
                self.warnings.append(
                    f"{term.name} is needed, which is neither packaged here nor a module of the kernel's own: "
                    f"if its package is called otherwise, say --relation {term.name}=NAME"
                )
            return (term,)
        where = self._kernel(lot).modules.replace("{M}", legal)
        return parse(where) if where else self._of_kernel(lot)

    def _is_kernel(self, lot: Lot, name: str) -> bool:
        return name == f"kernel-{lot.release}" or (not name.startswith(_MODULE) and is_of_kernel(name))

    def _is_replaced_kernel(self, lot: Lot, name: str) -> bool:
        return self.kernel_package is not None and name == f"kernel-{lot.release}"

    def _of_kernel(self, lot: Lot) -> Relation | None:
        needs = self._kernel(lot).needs
        return parse(needs) if needs else None

    def _kernel(self, lot: Lot) -> KernelPackage:
        if self.kernel_package is not None:
            return KernelPackage(needs=self.kernel_package.replace("{R}", lot.release))
        return kernel_package(self.system, lot.release, lot.origin)
