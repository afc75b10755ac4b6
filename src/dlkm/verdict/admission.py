# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a module may be delivered for a kernel: refused is what no other module can mend."""

from collections.abc import Sequence

from dlkm.core.names import module_name, normalise_module_name
from dlkm.kernel.facts import Facts
from dlkm.ko.module import Module
from dlkm.verdict.check import candidate_of, judge
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.supply import Supply
from dlkm.verdict.verdict import Outcome, Severity, Verdict

PROVIDER_MISSING, UNKNOWN_SYMBOL = "provider-missing", "unknown-symbol"  # of data/rules.toml


def refusal(module: Module, facts: Facts, providers: Sequence[Module]) -> Verdict | None:
    """The verdict on a module that its kernel will refuse; None for one that it takes, or of which nobody can tell.

    `facts` are the kernel's, kept for many modules; `providers` are modules that are loaded before it. One that only
    lacks another module is not refused: the target may get that one later.
    """
    candidate = candidate_of(module.path, module.data, facts.kernel)
    verdict = judge(candidate, facts, Conditions(), Supply(facts=facts, along=tuple(providers)))
    if verdict.outcome is not Outcome.FAILS or _may_be_repaired(verdict, module, facts, providers):
        return None
    return verdict


def _may_be_repaired(verdict: Verdict, module: Module, facts: Facts, providers: Sequence[Module]) -> bool:
    """Whether all that is wrong is symbols that a module which is not at hand gives, or may give."""
    wrong = {finding.rule for finding in verdict.findings if finding.severity is Severity.ERROR}
    if not wrong <= {PROVIDER_MISSING, UNKNOWN_SYMBOL}:
        return False
    return UNKNOWN_SYMBOL not in wrong or _needs_a_stranger(module, facts, providers)


def _needs_a_stranger(module: Module, facts: Facts, providers: Sequence[Module]) -> bool:
    """Whether it depends on a module of which nobody knows what it exports: neither the kernel's nor one at hand."""
    known = {normalise_module_name(provider.name) for provider in providers} | facts.builtin
    known |= {module_name(symbol.provider) for symbol in facts.exports.values() if symbol.provider}
    needed = (normalise_module_name(name) for name in module.depends)
    return any(name not in known and not (facts.installed and facts.installed.find(name)) for name in needed)
