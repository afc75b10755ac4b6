# SPDX-License-Identifier: GPL-2.0-or-later
"""An audit's first steps: what is configured, which kernels there are, and depmod at work on one before more is loaded.

Loads little: depmod takes longer than all that is done beside it, so that each moment before it starts is waited for.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from dlkm.core.children import Child
from dlkm.core.errors import DlkmError, UsageError
from dlkm.core.processes import Runner
from dlkm.rootfs.audit_depmod import depmod_findings
from dlkm.rootfs.auditrules import Found, about
from dlkm.rootfs.depmod import INPUTS
from dlkm.rootfs.fresh import Fresh
from dlkm.rootfs.glance import Glance
from dlkm.rootfs.release import Release, releases_in
from dlkm.rootfs.root import Kind
from dlkm.rootfs.settings import Settings
from dlkm.rootfs.staleness import TABLES

_OWN_FILES = ("modules.builtin", "modules.order")  # come with the kernel, and go with it


class Remaking:
    """What a release's tables differ in from those that depmod makes now, found out by another process."""

    def __init__(self, release: Release, runner: Runner, jobs: int) -> None:
        """Start depmod, unless the tables are likely to be those that were right before."""
        self._release, self._runner = release, runner
        self._fresh = Fresh(release)
        for name in (*INPUTS, *TABLES):  # what cannot be read is noted by this process
            release.table(name)
        beside = jobs > 1 and not self._fresh.is_likely
        self._child = Child.start(self._compare) if beside else None

    def findings(self, digests: Mapping[str, str | None]) -> list[Found]:
        """What is found of the tables; `digests` are those of the modules by their paths on this machine."""
        if self._fresh.holds(digests):
            return []
        found = self._child.collect() if self._child is not None else self._compare()
        if isinstance(found, DlkmError):
            raise found
        if not found:
            self._fresh.keep(digests)
        return found

    def abandon(self) -> None:
        """Nobody asks any more."""
        if self._child is not None:
            self._child.abandon()

    def _compare(self) -> list[Found] | DlkmError:
        try:
            return list(depmod_findings(self._release, self._runner))
        except DlkmError as error:
            return error


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What an audit goes on from."""

    seen: Glance
    settings: Settings
    releases: tuple[Release, ...]
    runner: Runner
    jobs: int
    _remakings: dict[str, Remaking] = field(default_factory=dict)

    def remaking(self, release: Release) -> Remaking:
        """Of a release that is not `unusable`; started now, if it was not before."""
        name = release.release
        if name not in self._remakings:
            release.root.host_path(release.folder)  # unpacked at once, where it has to be
            self._remakings[name] = Remaking(release, self.runner, self.jobs)
        return self._remakings[name]

    def abandon(self) -> None:
        """End what was started."""
        for one in self._remakings.values():
            one.abandon()


@contextmanager
def begun(seen: Glance, runner: Runner, jobs: int) -> Iterator[Begun]:
    """Begin with a root; with several `jobs`, depmod works on its first kernel from here on.

    UsageError for a root without any kernel's modules; MalformedError for what cannot be a root filesystem.
    """
    settings = Settings.of(seen)
    releases = tuple(Release(root=seen, release=name, settings=settings) for name in releases_in(seen))
    if not releases:
        raise UsageError(f"{seen.path}: no kernel's modules below lib/modules or usr/lib/modules")
    start = Begun(seen=seen, settings=settings, releases=releases, runner=runner, jobs=jobs)
    try:
        if jobs > 1 and unusable(releases[0]) is None:
            start.remaking(releases[0])
        yield start
    finally:
        start.abandon()


def unusable(release: Release) -> Found | None:
    """Why nothing more need be said: modules where nobody looks, or left over from a kernel that was removed."""
    if release.root.place(release.folder).kind is not Kind.DIRECTORY:
        return about("modules-elsewhere", release, path=f"usr/{release.folder}")
    own = any(file.is_own for file in release.tree.files)
    if not own and not any(release.table(name) for name in _OWN_FILES):
        return about("no-kernel", release, path=release.folder)
    return None
