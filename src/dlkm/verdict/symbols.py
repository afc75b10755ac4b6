# SPDX-License-Identifier: GPL-2.0-or-later
"""Resolving the module's symbols: every one is tried, every refusal logged (kernel/module/main.c: simplify_symbols)."""

from collections.abc import Iterator
from dataclasses import dataclass

from dlkm.ko.elf import SHN_ABS, SHN_COMMON, SHN_LIVEPATCH, SHN_UNDEF, STB_WEAK
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.licence import is_proprietary
from dlkm.verdict.namespaces import PREFIX, is_open_to
from dlkm.verdict.supply import Found, Refusal
from dlkm.verdict.versions import Agreement, agreement, missing_entry_fails


@dataclass
class _State:
    """What earlier symbols of the table change for later ones."""

    proprietary: bool
    heir_of: Found | None = None  # the symbol whose giver made it proprietary
    uses_gpl: bool = False


def symbols(case: Case) -> Iterator[Trip]:
    """Every symbol in the order of the table; a later refusal's errno wins."""
    state = _State(is_proprietary(case.candidate.struct_name, case.candidate.license))
    last = case.candidate.header.shnum
    for name, bind, section in case.candidate.special_symbols():
        if section == SHN_UNDEF and name == ".TOC." and "own-toc" in case.era.features:
            continue
        if section == SHN_UNDEF:
            yield from _resolve(case, state, name, weak=bind == STB_WEAK)
        elif section == SHN_COMMON:
            if not name.startswith("__gnu_lto"):
                yield case.trip("common-symbol", subject=name)
        elif section not in {SHN_ABS, SHN_LIVEPATCH}:
            rule = "symbol-section" if "symbol-section-checked" in case.era.features else "symbol-section-unseen"
            yield case.trip(rule, subject=name, index=section, last=last - 1)


def _resolve(case: Case, state: _State, name: str, *, weak: bool) -> Iterator[Trip]:
    """kernel/module/main.c: resolve_symbol."""
    optional = weak or (name == "_GLOBAL_OFFSET_TABLE_" and "offset-table-ignored" in case.era.features)
    found = case.supply.find(name)
    absent = _absent(case, state, name, found)
    if absent is not None:
        if not optional:
            yield absent
        return
    assert found is not None
    state.uses_gpl |= bool(found.gpl)
    if found.proprietary and state.uses_gpl:  # inherit_taint
        rule = "proprietary-provider-weak" if optional else "proprietary-provider"
        yield case.trip(rule, subject=name, owner=found.owner)
        return
    if found.proprietary and not state.proprietary:
        state.proprietary, state.heir_of = True, found
        yield case.trip("inherits-taint", subject=name, owner=found.owner)
    yield from _agrees(case, found)


def _absent(case: Case, state: _State, name: str, found: Found | None) -> Trip | None:
    """Why the symbol is not there for this module, which a weak one outlives; None when it is there."""
    if found is None:
        return _given_by_nobody(case, name)
    if state.heir_of is not None and found.gpl:
        return case.trip("gpl-only-symbol/inherited", subject=name, used=state.heir_of.name, owner=state.heir_of.owner)
    if state.proprietary and found.gpl:
        return case.trip("gpl-only-symbol", subject=name, licence=case.candidate.license)
    if state.proprietary and found.gpl is None:
        return case.trip("gpl-class-unknown", subject=name)
    if found.owner and not case.supply.provider_installed(found):
        return case.trip("provider-missing", subject=name, owner=found.owner)
    refusal = case.supply.refusal_of(found)
    return _refused(case, name, refusal) if refusal is not None else None


def _given_by_nobody(case: Case, name: str) -> Trip:
    refused = case.supply.chain(name)
    if refused is not None:
        return _refused(case, name, refused)
    if not case.facts.exports_complete:
        return case.trip("symbol-not-known", subject=name)
    return case.trip("unknown-symbol", subject=name)


def _refused(case: Case, name: str, refusal: Refusal) -> Trip:
    """Its giver will not load, or may not: the whole chain down to the one that is to blame."""
    chain = " → ".join((case.struct_name, *refusal.chain)) + (f": {refusal.why}" if refusal.why else "")
    rule = "provider-unsure" if refusal.unsure else "provider-refused"
    return case.trip(rule, subject=name, owner=refusal.chain[0], culprit=refusal.chain[-1], chain=chain)


def _agrees(case: Case, found: Found) -> Iterator[Trip]:
    """The CRC, then the namespace; only the first refusal of one symbol is logged."""
    match agreement(case, found.name, found.crc):
        case Agreement.DIFFERS:
            expected = (case.candidate.versions or {}).get(found.name, 0)
            yield case.trip("crc-mismatch", subject=found.name, theirs=f"{expected:#010x}", ours=f"{found.crc:#010x}")
            return
        case Agreement.NO_ENTRY if missing_entry_fails(case):
            yield case.trip("missing-entry", subject=found.name)
            return
        case Agreement.NO_ENTRY:
            yield case.trip("missing-entry-tolerated", subject=found.name)
        case _:
            pass
    if found.namespace and not imports(case, found.namespace):
        tolerated = case.facts.option("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS")
        rule = "namespace-tolerated" if tolerated else "namespace"
        yield case.trip(rule, subject=found.name, namespace=found.namespace)


def imports(case: Case, namespace: str) -> bool:
    """Whether the module may use a namespace: it says so, or, for `module:a,b*`, its name is on the list.

    Source: kernel/module/main.c: verify_namespace_is_imported.
    """
    if namespace.startswith(PREFIX) and "module-namespaces" in case.era.features:
        return is_open_to(namespace, case.candidate.struct_name)
    return namespace in case.candidate.all("import_ns")


CHECKS: dict[str, Check] = {"symbols": symbols}
