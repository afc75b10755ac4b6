# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user should know of a root filesystem as it will be once modules are staged: an audit of what that touches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.core.names import module_name, normalise_module_name
from dlkm.ko.module import Module
from dlkm.rootfs.audit_boot import boot_findings
from dlkm.rootfs.audit_conf import conf_findings, depmod_lines
from dlkm.rootfs.audit_files import file_findings
from dlkm.rootfs.audit_initramfs import initramfs_findings, initramfs_of
from dlkm.rootfs.audit_load import load_findings
from dlkm.rootfs.auditrules import Finding, Found, finding
from dlkm.rootfs.choices import Choice, choice
from dlkm.rootfs.conf import Wanted
from dlkm.rootfs.glance import Glance
from dlkm.rootfs.release import Release, releases_in
from dlkm.rootfs.root import Root
from dlkm.rootfs.settings import Settings

Opener = Callable[[Path], AbstractContextManager[Root]]


@dataclass(frozen=True, kw_only=True)
class Touched:
    """What a staging touches: modules by release, the configuration asked for, the files that are written."""

    modules: Mapping[str, Sequence[Module]]
    wanted: Wanted
    paths: frozenset[str]

    def names(self, release: str) -> frozenset[str]:
        """The names of modules that it is about on a release."""
        given = (module_name(module.path.name) for module in self.modules.get(release, ()))
        asked = (*self.wanted.autoload, *(line.name for line in self.wanted.lines))
        return frozenset({*given, *map(normalise_module_name, asked)})


class Outlook:
    """The answers, of a root as it will be (PlannedRoot)."""

    def __init__(self, after: Root, touched: Touched, opener: Opener) -> None:
        """`opener` opens an initramfs that lies in the root."""
        self._root, self._touched, self._opener = Glance(after), touched, opener
        self._settings = Settings.of(self._root)
        # Configuration alone concerns every kernel that is installed.
        names = tuple(touched.modules) or releases_in(self._root)
        self._releases = {name: Release(root=self._root, release=name, settings=self._settings) for name in names}

    def choice(self, release: str, name: str) -> Choice:
        """Which file `modprobe NAME` will load, why, and what its aliases will."""
        return choice(self._releases[release], name)

    def missing(self, release: str, module: Module) -> tuple[str, ...]:
        """The modules that it needs, itself or by way of others given with it, and that will not be there."""
        there = self._releases[release]
        given = {module_name(one.path.name): one for one in self._touched.modules[release]}
        needed = [normalise_module_name(name) for name in module.depends]
        for name in needed:  # grows on the way
            further = [normalise_module_name(other) for other in given[name].depends] if name in given else []
            needed += [other for other in dict.fromkeys(further) if other not in needed]
        return tuple(name for name in dict.fromkeys(needed)
                     if name not in there.tree.by_name and not there.lookup.is_builtin(name))  # fmt: skip

    def findings(self) -> tuple[Finding, ...]:
        """What an audit finds of all that is touched, each once."""
        found = [_staged(one) for one in conf_findings(self._root, self._settings) if self._is_ours(one)]
        for name, release in self._releases.items():
            names = self._touched.names(name)
            found += [one for one in self._of_release(release) if self._is_about(one, names) or self._is_ours(one)]
        return tuple(dict.fromkeys(map(finding, found)))

    def _of_release(self, release: Release) -> Iterator[Found]:
        yield from depmod_lines(release)
        yield from file_findings(release)
        yield from load_findings(release)
        yield from boot_findings(release, "")
        for held in initramfs_of(self._root, release.release):
            yield from initramfs_findings(release, held, self._opener)

    def _is_about(self, found: Found, names: frozenset[str]) -> bool:
        return found.module is not None and normalise_module_name(found.module) in names

    def _is_ours(self, found: Found) -> bool:
        """Whether it is about a file that is written."""
        if found.path is None:
            return False
        return self._root.place(found.path, follow=False).path in self._touched.paths


def _staged(found: Found) -> Found:
    """What matters more where the file is asked for right now."""
    return replace(found, rule="conf-hidden/staged") if found.rule == "conf-hidden" else found
