# SPDX-License-Identifier: GPL-2.0-or-later
"""Lots of packages in Yocto's words become the packages of a system and a format: one set, each name once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dlkm.core.errors import UsageError
from dlkm.core.names import module_name
from dlkm.package.contents import module_files
from dlkm.package.everywhere import for_all
from dlkm.package.lot import Lot
from dlkm.package.names import Format, legitimised, order
from dlkm.package.package import Package
from dlkm.package.ready import Ready, Role
from dlkm.package.relations import parse
from dlkm.package.scripts import guarded, renewing_initramfs
from dlkm.package.shape import Shaped, shaped
from dlkm.package.systems import System
from dlkm.package.translation import Dictionary, Entry


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the packages are for: `renames` and `kernel_package` are the user's own words, see Dictionary."""

    form: Format
    system: System
    renames: Mapping[str, str] = field(default_factory=dict)
    kernel_package: str | None = None


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """The packages, sorted by name; `warnings` are what a user should know of them."""

    ready: tuple[Ready, ...]
    warnings: tuple[str, ...] = ()


def assemble(lots: Sequence[Lot], target: Target) -> Assembly:
    """The packages of all lots. UsageError when two sources, or two builds for one kernel, make one package."""
    parts = [part for lot in lots for part in shaped(lot, target.form, target.system)]
    dictionary = Dictionary(
        system=target.system,
        renames=target.renames,
        own={(part.lot.release, part.called): _entry(part) for part in parts},
        virtual=frozenset(name for part in parts for name in part.package.provides),
        kernel_package=target.kernel_package,
    )
    made = [_worded(part, dictionary, target) for part in parts]
    notes = [note for lot in lots for note in dictionary.notes(lot)]
    ready = tuple(_merged(made))
    if target.system is System.RPM:
        ready = tuple(for_all(ready))
    return Assembly(ready=ready, warnings=tuple(dict.fromkeys((*notes, *dictionary.warnings))))


def _entry(part: Shaped) -> Entry:
    return Entry(part.package.name, part.was, part.package.version, part.lot.source)


def _worded(part: Shaped, dictionary: Dictionary, target: Target) -> Ready:
    """With relations and scripts as the system has them."""
    package, lot = part.package, part.lot
    elsewhere = target.system is not System.YOCTO
    depends = package.depends
    if elsewhere and part.role is Role.MODULES:  # a recipe that does not split names neither
        depends = (*(text for text in ("kmod", f"kernel-{lot.release}") if not _names(depends, text)), *depends)
    safe = package.scripts if lot.literal and not elsewhere else guarded(package.scripts, lot.release, target.form)
    if elsewhere and _has_twin(package, lot):
        safe = renewing_initramfs(safe)
    other = (part.instead_of,) if part.instead_of else ()
    return Ready(
        package=replace(
            package,
            depends=dictionary.needs(lot, depends),
            recommends=dictionary.wishes(lot, depends, package.recommends),
            suggests=dictionary.named(lot, package.suggests),
            provides=(*dictionary.named(lot, package.provides), *other),
            replaces=(*dictionary.named(lot, package.replaces), *other),
            conflicts=(*dictionary.named(lot, package.conflicts), *other),
            scripts=safe,
        ),
        role=part.role,
        release=lot.release,
        source=lot.source,
    )


def _names(relations: Sequence[str], name: str) -> bool:
    return any(term.name == name for text in relations for term in parse(text))


def _has_twin(package: Package, lot: Lot) -> bool:
    """Whether the kernel has a module of that name itself."""
    names = {legitimised(module_name(file.path)) for file in module_files(package)}
    return bool(names & (lot.in_tree or frozenset()))


def _merged(made: Sequence[Ready]) -> Iterator[Ready]:
    """Each name of an architecture once; of what follows the newest kernel that one."""
    groups: dict[tuple[str, str], list[Ready]] = {}
    for one in made:
        groups.setdefault((one.package.name, one.package.arch), []).append(one)
    for (name, _arch), group in sorted(groups.items()):
        sources = list(dict.fromkeys(one.source for one in group))
        if len(sources) > 1:
            raise UsageError(f"{' and '.join(sources[:2])} both make the package {name}", hint="package them apart")
        if len(group) > 1 and group[0].role is Role.MODULES and not _is_shared(group):
            raise UsageError(f"{sources[0]}: two builds for {group[0].release} make the package {name}")
        yield max(group, key=lambda one: order(one.release))


def _is_shared(group: Sequence[Ready]) -> bool:
    """Whether packages of one name are of different kernels: on Yocto a recipe may leave the release out of it."""
    return len({one.release for one in group}) == len(group)
