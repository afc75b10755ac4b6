# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels: from `debian:RELEASE` to kernels of the pool. Lists and downloads are apt's (apt.py)."""

import difflib
import fnmatch
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.arch import Arch, arch_named, host_arch
from dlkm.core.errors import DlkmError, FetchError, MalformedError, NothingSelectedError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import StorageError
from dlkm.core.names import is_release
from dlkm.core.processes import Runner
from dlkm.kernel import packages, rooted, unpack
from dlkm.kernel.adopt import adopt
from dlkm.kernel.apt import Archive, Package, host_sources, matching
from dlkm.kernel.distros import Debian
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import DamagedError, Pool, natural
from dlkm.kernel.record import Record, Unpacked
from dlkm.kernel.spec import is_glob

FRESH = 6 * 3600.0  # seconds that package lists are used without asking again
JUST_FETCHED = 600.0  # a release that is missing in lists this young is missing in the archive
IMAGE, HEADERS = "linux-image-", "linux-headers-"
_LATEST = re.compile(r"latest-([0-9]+\.[0-9]+)-(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What follows `debian:`: a release, a glob, or `latest-SERIES-FLAVOUR`."""

    text: str
    arch: Arch
    pattern: re.Pattern[str]
    newest_only: bool = False

    @classmethod
    def parse(cls, text: str) -> "Wanted":
        """UsageError when it names no flavour of Debian's, or an architecture that is not known."""
        debian = Debian.read()
        split = debian.split(text)
        latest = _LATEST.fullmatch(text)
        if latest is not None and latest[2] in debian.flavours:
            arch = arch_named(debian.flavours[latest[2]])
            series, flavour = re.escape(latest[1]), re.escape(latest[2])
            pattern = re.compile(rf"{series}\.[0-9][^-]*(-[0-9][^-]*)?-{flavour}")
            return cls(text=text, arch=arch, pattern=pattern, newest_only=True)
        if not is_glob(text) and (split is None or not is_release(text)):
            raise UsageError(
                f"debian:{text}: is no release of a Debian kernel",
                hint="it ends in a flavour: debian:6.1.0-56-amd64, debian:6.1.0-*-rt-amd64, debian:latest-6.1-arm64",
            )
        arch = arch_named(debian.flavours[split[1]]) if split is not None else host_arch()
        return cls(text=text, arch=arch, pattern=re.compile(fnmatch.translate(text)))

    @property
    def exact(self) -> bool:
        """Whether it names one release."""
        return not self.newest_only and not is_glob(self.text)

    def among(self, releases: Sequence[str]) -> list[str]:
        """The releases it means, in their order."""
        found = sorted((release for release in releases if self.pattern.fullmatch(release)), key=natural)
        return found[-1:] if self.newest_only else found


def is_flavoured(release: str) -> bool:
    """Whether a release ends as Debian's do."""
    return Debian.read().split(release) is not None


def add(
    text: str,
    pool: Pool,
    events: Events,
    runner: Runner,
    mirrors: Sequence[str] = (),
    apt_home: Path | None = None,
    *,
    verify: bool = True,
) -> tuple[Kernel, ...]:
    """The kernels that `debian:TEXT` names, fetched and unpacked where the pool does not have them yet.

    No network is used for a release that is there and whole; a damaged one is restored, unless nobody is to `verify`.
    UsageError: no such release; FetchError: network, signature, digest; MissingToolError: no apt or dpkg.
    """
    wanted = Wanted.parse(text)
    adder = _Adder(pool, events, runner, tuple(mirrors), apt_home or pool.root.parent / "apt", verify=verify)
    if wanted.exact and (kernel := adder.present(text)) is not None:
        return (kernel,)
    return tuple(adder.added(release, wanted.arch) for release in adder.releases(wanted))


def add_from_folders(text: str, folders: Sequence[Path], pool: Pool, events: Events) -> tuple[Kernel, ...]:
    """The kernels that `debian:TEXT` names among the .deb files of some directories; nobody vouches for these."""
    wanted = Wanted.parse(text)
    if wanted.exact and (kernel := _from_pool(pool, text)) is not None:
        return (kernel,)
    paths = [path for folder in folders for path in packages.in_folder(folder) if path.suffix == ".deb"]
    releases = wanted.among(list(packages.by_release(packages.read_package(path) for path in paths)))
    if not releases:
        where = ", ".join(map(str, folders))
        raise NothingSelectedError(f"debian:{text}: no such kernel among the .deb files of {where}")
    return tuple(
        _from_pool(pool, release)
        or packages.add(paths, pool, events, origin=f"debian:{release}", only=re.compile(re.escape(release)))[0]
        for release in releases
    )


def archives(
    pool: Pool, events: Events, runner: Runner, mirrors: Sequence[str], kind: str = "deb"
) -> Iterator[Archive]:
    """This machine's own suites for its own architecture, then all that are known; with mirrors these alone."""
    adder = _Adder(pool, events, runner, tuple(mirrors), pool.root.parent / "apt")
    for everywhere in (False, True):
        yield adder.archive(host_arch().debian, everywhere=everywhere, kind=kind)


def _from_pool(pool: Pool, release: str) -> Kernel | None:
    """What the pool has of it already, whole."""
    for entry in pool.records():
        if isinstance(entry, Record) and entry.origin == f"debian:{release}":
            with suppress(DlkmError):
                if not pool.damage(entry.id, whole=False):
                    return pool.take(entry.id)
    return None


class _Adder:
    """One `debian:` word being carried out."""

    def __init__(
        self,
        pool: Pool,
        events: Events,
        runner: Runner,
        mirrors: tuple[str, ...],
        apt_home: Path,
        *,
        verify: bool = True,
    ) -> None:
        self._pool, self._events, self._runner = pool, events, runner
        self._mirrors, self._apt_home, self._verify = mirrors, apt_home, verify
        self._debian = Debian.read()
        self._archives: dict[tuple[str, bool, str], Archive] = {}
        self._everywhere = bool(mirrors)

    def present(self, release: str) -> Kernel | None:
        """The kernel if the pool has it and it is whole; a damaged one counts as absent, with a warning."""
        for name in (release, f"{release}@debian"):
            try:
                record = self._pool.record(name)
                if record is None or record.origin != f"debian:{release}":
                    continue
                if not self._verify:
                    return record.kernel(self._pool.home(name))
                kernel = self._pool.take(name)
                damage = self._pool.damage(name, whole=False)
            except (DamagedError, MalformedError) as error:
                self._events.warning(f"{error.what}; restoring it")
                return None
            if not damage:
                return kernel
            self._events.warning(f"kernel {name} is damaged: {damage[0]} is missing or changed; restoring it")
        return None

    def releases(self, wanted: Wanted) -> list[str]:
        """What the archive offers of it: first in the machine's own suites, then in all that are known."""
        have: dict[str, bool] = {}
        for everywhere, max_age in ((False, FRESH), (False, JUST_FETCHED), (True, FRESH)):
            self._everywhere = everywhere or bool(self._mirrors)
            archive = self._archive(wanted.arch.debian)
            archive.refresh(max_age)
            have |= _offered(archive)
            found = wanted.among([release for release, complete in have.items() if complete])
            if found:
                if archive.trouble is not None and not wanted.exact:
                    self._events.warning(f"debian:{wanted.text}: there may be newer ones: {archive.trouble.what}")
                return found
        return self._instead(wanted, have)

    def _instead(self, wanted: Wanted, have: dict[str, bool]) -> list[str]:
        """Nothing was found: what the pool has of it when the network is gone, else the error."""
        trouble = self._archive(wanted.arch.debian).trouble
        if trouble is not None and not wanted.exact:
            kept = wanted.among([kernel.release for kernel in self._pool.list() if kernel.origin.startswith("debian:")])
            if kept:
                self._events.warning(f"{trouble.what}; using what the pool has")
                return kept
        if trouble is not None and not have:
            raise trouble
        if trouble is not None:
            self._events.warning(trouble.what)
        raise _no_such(wanted, have)

    def added(self, release: str, arch: Arch) -> Kernel:
        """The kernel, from the pool or from the archive; another process that is adding it is waited for."""
        if (kernel := self.present(release)) is not None:
            return kernel
        name = self._free_id(release)
        with self._pool.locked(name, self._events):
            if (kernel := self.present(release)) is not None:
                return kernel
            with self._pool.downloads(name) as folder:
                packages = self._parts(release, arch)
                self._need_space(packages)
                debs = self._fetched(release, arch, packages, folder)
                return self._unpacked(name, release, arch, debs)

    def _unpacked(self, name: str, release: str, arch: Arch, debs: dict[Path, Package]) -> Kernel:
        with self._pool.scratch(name) as made:
            tree = made / "tree"
            unpack.unpack(list(debs), tree, self._runner, self._events)
            unpack.relocate(tree, release)
            with self._events.task(f"recording {release}"):
                kernel = _kernel_in(made / "tree", release, arch)
                unpacked = [Unpacked(name=one.name, version=one.version, sha256=one.sha256) for one in debs.values()]
                return adopt(self._pool, name, kernel, made, unpacked)

    def _fetched(self, release: str, arch: Arch, packages: list[Package], folder: Path) -> dict[Path, Package]:
        try:
            return self._download(packages, folder)
        except FetchError as error:
            # The lists may name files that the mirror has replaced meanwhile.
            self._archive(arch.debian).refresh(JUST_FETCHED)
            renewed = self._parts(release, arch)
            if renewed == packages:
                raise
            self._events.detail(error.what)
            return self._download(renewed, folder)

    def _download(self, packages: list[Package], folder: Path) -> dict[Path, Package]:
        found: dict[Path, Package] = {}
        by_archive: dict[str, list[Package]] = {}
        native = packages[0].architecture
        for package in packages:
            by_archive.setdefault(native if package.architecture == "all" else package.architecture, []).append(package)
        for architecture, group in by_archive.items():
            paths = self._archive(architecture).download(group, folder)
            found |= dict(zip(paths, group, strict=True))
        return found

    def _parts(self, release: str, arch: Arch) -> list[Package]:
        """The packages that make the kernel: image, headers, and the kernel packages that these depend on."""
        found: dict[str, Package] = {}
        names = [IMAGE + release, HEADERS + release]
        while names:
            shown = self._shown(names, arch)
            if absent := [name for name in names if name not in shown]:
                raise FetchError(f"Debian's lists have no package {absent[0]}, which kernel {release} needs")
            found |= shown
            names = self._needed(list(shown.values()), set(found))
        return list(found.values())

    def _shown(self, names: list[str], arch: Arch) -> dict[str, Package]:
        on_host = matching(names, self._debian.host_parts)
        native = [name for name in names if name not in on_host]
        shown = self._archive(arch.debian).show(native) if native else {}
        if on_host:
            archive = self._archive(host_arch().debian)
            archive.refresh(FRESH)
            shown |= archive.show(on_host)
        return shown

    def _needed(self, packages: list[Package], found: set[str]) -> list[str]:
        needed: dict[str, None] = {}
        for package in packages:
            for alternatives in package.depends:
                names = matching(alternatives, self._debian.parts)
                if names and not found.intersection(names):
                    needed[names[0]] = None
        return list(needed)

    def _need_space(self, packages: list[Package]) -> None:
        need = sum(package.size + package.installed_size for package in packages)
        free = shutil.disk_usage(self._pool.root).free
        if free < need:
            raise StorageError(
                f"{self._pool.root}: {need >> 20} MB are needed, {free >> 20} MB are free",
                hint="make room, for instance with dlkm kernel rm, or set XDG_CACHE_HOME to a larger disk",
            )

    def archive(self, architecture: str, *, everywhere: bool, kind: str) -> Archive:
        """The archive for an architecture: the machine's own suites, or all that are known."""
        self._everywhere = everywhere or bool(self._mirrors)
        return self._archive(architecture, kind)

    def _archive(self, architecture: str, kind: str = "deb") -> Archive:
        key = architecture, self._everywhere, kind
        if key not in self._archives:
            sources = host_sources(self._runner, self._debian) if not self._mirrors else ()
            if self._everywhere:
                sources = self._debian.everywhere(sources, self._mirrors)
            if not sources:
                raise UsageError(
                    "this machine's apt has no source of Debian's", hint="name a mirror: dlkm kernel add --mirror URL …"
                )
            self._archives[key] = Archive(architecture, sources, self._apt_home, self._runner, self._events, kind)
        return self._archives[key]

    def _free_id(self, release: str) -> str:
        try:
            record = self._pool.record(release)
        except DamagedError:
            record = None
        return release if record is None or record.origin == f"debian:{release}" else f"{release}@debian"


def _offered(archive: Archive) -> dict[str, bool]:
    """The releases that the archive has an image of, and whether it has the headers too."""
    headers = {name.removeprefix(HEADERS) for name in archive.names(HEADERS)}
    images = (name.removeprefix(IMAGE) for name in archive.names(IMAGE))
    return {release: release in headers for release in images if is_release(release) and is_flavoured(release)}


def _no_such(wanted: Wanted, have: dict[str, bool]) -> DlkmError:
    complete = sorted((release for release, whole in have.items() if whole), key=natural)
    close = sorted(difflib.get_close_matches(wanted.text, complete, n=4, cutoff=0.8), key=natural) or complete[-4:]
    hint = f"there are {', '.join(close)}: dlkm kernel add debian:{close[-1]}" if close else None
    incomplete = wanted.among([release for release, whole in have.items() if not whole])
    if incomplete:
        return UsageError(f"Debian has the image of {', '.join(incomplete)} but not the headers", hint=hint)
    kind = NothingSelectedError if is_glob(wanted.text) else UsageError
    return kind(f"debian:{wanted.text}: Debian offers no such kernel", hint=hint)


def _kernel_in(tree: Path, release: str, arch: Arch) -> Kernel:
    """What the packages hold; FetchError when it is no whole kernel."""
    headers = tree / "usr/src" / f"linux-headers-{release}"
    if not (headers / "Makefile").is_file():
        raise FetchError(f"the packages of {release} hold no {headers.relative_to(tree)}/Makefile")
    return rooted.kernel_in(tree, release, origin=f"debian:{release}", headers=headers, arch=arch)
