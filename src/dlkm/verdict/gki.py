# SPDX-License-Identifier: GPL-2.0-or-later
"""What Android's generic kernel keeps from modules that it did not sign: some of its own modules' symbols.

Source: kernel/module/main.c and gki_module.c of android14-6.1 and later (CONFIG_MODULE_SIG_PROTECT). Its list of what
everybody may use is that of CONFIG_TRIM_UNUSED_KSYMS; what vmlinux still exports then is on it, what its modules export
may be or not, and no file of the kernel says which.
"""

from collections.abc import Iterator

from dlkm.ko.elf import SHN_UNDEF
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.signing import is_unsigned
from dlkm.verdict.supply import Found


def symbols(case: Case) -> Iterator[Trip]:
    """resolve_symbol: a signed module's symbols only for the signed, unless listed."""
    if not _protects(case):
        return
    for name, _, section in case.candidate.special_symbols():
        found = case.supply.find(name) if section == SHN_UNDEF else None
        if found is not None and _is_own(case, found):
            yield case.trip("gki-symbol", subject=name, owner=found.owner)


def exports(case: Case) -> Iterator[Trip]:
    """verify_exported_symbols: what the kernel's own modules export nobody else may."""
    if not _protects(case):
        return
    for export in case.candidate.exports:
        found = case.supply.find(export.name)
        if found is not None and _is_own(case, found):
            yield case.trip("gki-export", subject=export.name, owner=found.owner)


def _protects(case: Case) -> bool:
    wanted = ("MODULE_SIG_PROTECT", "TRIM_UNUSED_KSYMS")
    return all(case.facts.option(name) for name in wanted) and is_unsigned(case)


def _is_own(case: Case, found: Found) -> bool:
    """Whether a symbol's giver is one of the kernel's own modules: neither the kernel nor one that comes along."""
    return not case.supply.certainly_loaded(found)


CHECKS: dict[str, Check] = {"gki-symbols": symbols, "gki-exports": exports}
