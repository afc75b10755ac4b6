# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether what is to be staged will load there: asks the verdict for each module whose kernel is known."""

from collections.abc import Iterator, Sequence

from dlkm.core.errors import DlkmError, MalformedError
from dlkm.core.names import is_module_file, module_name, normalise_module_name
from dlkm.kernel.facts import Facts
from dlkm.ko.module import Module, read_module
from dlkm.rootfs.depmod import modules_dir
from dlkm.rootfs.installed import kernel_of
from dlkm.rootfs.modtree import OWN
from dlkm.rootfs.root import Kind, Root
from dlkm.rootfs.stage import Given
from dlkm.verdict.admission import refusal
from dlkm.verdict.verdict import Verdict

ADDED_DIRS = ("updates", "extra")  # where modules lie that are none of the kernel's own
MOST_PROVIDERS = 200
DEPTH = 8


def refusals(root: Root, given: Sequence[Given]) -> Iterator[Verdict]:
    """The verdicts of modules that their kernel will refuse: the one that is known, else the one in the root.

    A kernel that is neither says nothing, and a kernel's own modules, as its package brings them, are not asked about.
    What only lacks another module is not refused: the root may get that one later. The outlook tells of it.
    """
    added = [item for item in given if not item.place.startswith(OWN)]
    known = {item.kernel.id: Facts(item.kernel) for item in added if item.kernel is not None}
    unknown = dict.fromkeys(item.release for item in added if item.kernel is None)
    installed = {release: _installed_kernel(root, release) for release in unknown}
    for item in added:
        facts = known[item.kernel.id] if item.kernel is not None else installed[item.release]
        if facts is not None:
            others = [other.module for other in given if other is not item and other.release == item.release]
            providers = [*others, *_installed(root, item, others)]
            verdict = refusal(item.module, facts, providers)
            if verdict is not None:
                yield verdict


def _installed_kernel(root: Root, release: str) -> Facts | None:
    """The kernel that lies in the root itself, where there is one that can be asked."""
    try:
        kernel = kernel_of(root, release)
    except DlkmError:
        return None
    return Facts(kernel) if kernel.image is not None else None


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
