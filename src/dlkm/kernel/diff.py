# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between two kernels for a module that moves from one to the other. Judges nothing."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dlkm.core.errors import DlkmError
from dlkm.kernel.config import Config
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.portrait import configuration
from dlkm.kernel.symvers import KernelSymbol
from dlkm.kernel.types import types_of

_LICENCE = {False: "any licence", True: "GPL only"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that both have, or one: `before` or `after` is None where it is missing."""

    name: str
    before: str | None
    after: str | None


class VersionChange(NamedTuple):
    """An export whose CRC changed. A named tuple: between two releases there are twenty thousand."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeChange:
    """A type that both have, and the lines of size and members that only one has, in its order."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs. `types` is None where not both kernels carry types; `unknown` says what is not known.

    `versions` are exports whose CRC changed, `licences` and `namespaces` those that ask something else of a module.
    """

    vermagic: Change | None
    options: tuple[Change, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    versions: tuple[VersionChange, ...]
    licences: tuple[Change, ...]
    namespaces: tuple[Change, ...]
    certificates_added: tuple[bytes, ...]
    certificates_removed: tuple[bytes, ...]
    types: tuple[TypeChange, ...] | None
    unknown: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs that is known."""
        lists = (self.options, self.added, self.removed, self.versions, self.licences, self.namespaces)
        return not (self.vermagic or any(lists) or self.certificates_added or self.certificates_removed or self.types)


def difference(one: Kernel, other: Kernel) -> Difference:
    """What changes from one kernel to the other."""
    was = gc.isenabled()
    gc.disable()  # a hundred thousand values are made, and none is garbage: looking for it takes a fifth of the time
    try:
        return _difference(one, other)
    finally:
        if was:
            gc.enable()


def _difference(one: Kernel, other: Kernel) -> Difference:
    first, second = Facts(one), Facts(other)
    unknown: list[str] = []
    before, after = _exports(first, unknown), _exports(second, unknown)
    both = before.keys() & after.keys()
    pairs = [(before[name], after[name]) for name in sorted(both)]
    certificates = _certificates(first, unknown), _certificates(second, unknown)
    versioned = first.modversions is not False and second.modversions is not False
    return Difference(
        vermagic=_changed("vermagic", first.vermagic, second.vermagic),
        options=_options(one, other, unknown),
        added=tuple(sorted(after.keys() - both)) if before else (),
        removed=tuple(sorted(before.keys() - both)) if after else (),
        versions=tuple(
            VersionChange(one.name, one.crc, other.crc) for one, other in pairs if versioned and one.crc != other.crc
        ),
        licences=tuple(
            Change(name=one.name, before=_LICENCE[one.gpl], after=_LICENCE[other.gpl])
            for one, other in pairs
            if one.gpl != other.gpl
        ),
        namespaces=tuple(
            Change(name=one.name, before=one.namespace, after=other.namespace)
            for one, other in pairs
            if one.namespace != other.namespace
        ),
        certificates_added=tuple(raw for raw in certificates[1] if raw not in certificates[0]),
        certificates_removed=tuple(raw for raw in certificates[0] if raw not in certificates[1]),
        types=_types(one, other),
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _changed(name: str, before: str | None, after: str | None) -> Change | None:
    return Change(name=name, before=before, after=after) if before != after else None


def _exports(facts: Facts, unknown: list[str]) -> Mapping[str, KernelSymbol]:
    try:
        found = facts.exports
        complete = facts.exports_complete
    except DlkmError as error:
        unknown.append(f"the exports of {facts.kernel.id}: {error.what}")
        return {}
    if not complete:
        unknown.append(f"some or all exports of {facts.kernel.id}")
        return {name: symbol for name, symbol in found.items() if symbol.provider}
    return found


def _certificates(facts: Facts, unknown: list[str]) -> tuple[bytes, ...]:
    found = facts.certificates
    if found is None:
        unknown.append(f"the certificates of {facts.kernel.id}: no image that can be read")
    return found or ()


def _options(one: Kernel, other: Kernel, unknown: list[str]) -> tuple[Change, ...]:
    configs = []
    for kernel in (one, other):
        config, _ = configuration(kernel)
        configs.append(config)
        if not config:
            unknown.append(f"the configuration of {kernel.id}")
    before, after = configs
    if not before or not after:
        return ()
    names = sorted(_names(before, after))
    return tuple(Change(name=name, before=before.get(name), after=after.get(name)) for name in names)


def _names(before: Config, after: Config) -> set[str]:
    return {name for name, _ in before.options.items() ^ after.options.items()}


def _types(one: Kernel, other: Kernel) -> tuple[TypeChange, ...] | None:
    before, after = types_of(one), types_of(other)
    if before is None or after is None:
        return None
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    return tuple(_type_change(name, *(tuple(types[name].split("\n")) for types in (before, after))) for name in changed)


def _type_change(name: str, before: tuple[str, ...], after: tuple[str, ...]) -> TypeChange:
    """Members that only moved, because something before them grew, are left out when others tell more."""
    plain = {line.partition(" ")[2] for line in before[1:]} ^ {line.partition(" ")[2] for line in after[1:]}
    if not plain:
        return TypeChange(name=name, before=_without(before, after), after=_without(after, before))

    def told(lines: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
        size = lines[:1] if lines[:1] != others[:1] else ()
        return (*size, *(line for line in lines[1:] if line.partition(" ")[2] in plain))

    return TypeChange(name=name, before=told(before, after), after=told(after, before))


def _without(lines: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line for line in lines if line not in others)
