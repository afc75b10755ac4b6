# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether what is to be staged will load there: asks the verdict for each module whose kernel is known."""

from collections.abc import Iterator, Sequence

from dlkm.core.errors import MalformedError
from dlkm.core.names import is_module_file, module_name, normalise_module_name
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module, read_module
from dlkm.rootfs.depmod import modules_dir
from dlkm.rootfs.root import Kind, Root
from dlkm.rootfs.stage import Given
from dlkm.verdict.check import check
from dlkm.verdict.verdict import Outcome, Severity, Verdict

ADDED_DIRS = ("updates", "extra")  # where modules lie that are none of the kernel's own
MOST_PROVIDERS = 200
DEPTH = 8
PROVIDER_MISSING, UNKNOWN_SYMBOL = "provider-missing", "unknown-symbol"  # of data/rules.toml


def refusals(root: Root, given: Sequence[Given]) -> Iterator[Verdict]:
    """The verdicts of modules that their kernel will refuse; a kernel that nobody knows says nothing.

    What only lacks another module is none of them: the root may get that one later. judge.py warns of it.
    """
    for item in given:
        if item.kernel is not None:
            others = [other.module for other in given if other is not item and other.release == item.release]
            providers = [*others, *_installed(root, item, others)]
            verdict = check(item.module, item.kernel, providers=providers)
            if verdict.outcome is Outcome.FAILS and not _may_be_repaired(verdict, item, item.kernel, providers):
                yield verdict


def _may_be_repaired(verdict: Verdict, item: Given, kernel: Kernel, providers: Sequence[Module]) -> bool:
    """Whether all that is wrong is symbols that a module which is not at hand gives, or may give."""
    wrong = {finding.rule for finding in verdict.findings if finding.severity is Severity.ERROR}
    if not wrong <= {PROVIDER_MISSING, UNKNOWN_SYMBOL}:
        return False
    return UNKNOWN_SYMBOL not in wrong or _needs_a_stranger(item.module, Facts(kernel), providers)


def _needs_a_stranger(module: Module, facts: Facts, providers: Sequence[Module]) -> bool:
    """Whether it depends on a module of which nobody knows what it exports: neither the kernel's nor one at hand."""
    known = {normalise_module_name(provider.name) for provider in providers} | facts.builtin
    known |= {module_name(symbol.provider) for symbol in facts.exports.values() if symbol.provider}
    needed = (normalise_module_name(name) for name in module.depends)
    return any(name not in known and not (facts.installed and facts.installed.find(name)) for name in needed)


def _installed(root: Root, item: Given, others: Sequence[Module]) -> list[Module]:
    """The modules it depends on that were added to the root earlier, and those they depend on."""
    there = {name: path for folder in ADDED_DIRS for name, path in _files(root, item.release, folder)}
    have = {normalise_module_name(module.name) for module in others}
    found: list[Module] = []
    todo = [normalise_module_name(name) for name in item.module.depends]
    while todo and len(found) < MOST_PROVIDERS:
        name = todo.pop()
        if name in there and name not in have:
            have.add(name)
            try:
                found.append(read_module(root.host_path(there[name])))
                todo += [normalise_module_name(needed) for needed in found[-1].depends]
            except MalformedError:
                continue
    return found


def _files(root: Root, release: str, folder: str, level: int = 0) -> Iterator[tuple[str, str]]:
    for entry in root.entries(f"{modules_dir(release)}/{folder}"):
        name = entry.path.rpartition("/")[2]
        if entry.kind is Kind.DIRECTORY and level < DEPTH:
            yield from _files(root, release, f"{folder}/{name}", level + 1)
        elif entry.kind is Kind.FILE and is_module_file(name):
            yield module_name(name), entry.path
