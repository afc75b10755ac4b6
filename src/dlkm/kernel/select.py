# SPDX-License-Identifier: GPL-2.0-or-later
"""From the words of `-k` and `kernel add` to kernels; what is not there yet is added on the way."""

import fnmatch
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.core.errors import DlkmError, FetchError, NothingSelectedError, UsageError
from dlkm.core.events import Events
from dlkm.core.names import is_release
from dlkm.core.processes import Runner
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Broken, Pool
from dlkm.kernel.record import Record
from dlkm.kernel.spec import Spec, SpecKind, is_glob, split_directory

if TYPE_CHECKING:
    from dlkm.kernel.lockfile import Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a user says besides the words: where Debian's kernels come from, and what `source:PATH` cannot know.

    `partial`: a running kernel of which next to nothing is at hand will do, to be shown. `lock`: a lock file; then
    only what it pins is taken, byte for byte. `unverified`: what the pool has is only to be named, not used.
    """

    mirrors: tuple[str, ...] = ()
    config: Path | None = None
    symvers: Path | None = None
    release: str | None = None
    partial: bool = False
    lock: Path | None = None
    unverified: bool = False


def resolve(
    patterns: Sequence[str],
    pool: Pool,
    events: Events,
    runner: Runner,
    mirrors: Sequence[str] = (),
    *,
    given: Given | None = None,
) -> tuple[Kernel, ...]:
    """The kernels that the words name, each once, in the order of the words; what was fetched or made is in the pool.

    UsageError: a word names nothing that exists, or not enough of a kernel; NothingSelectedError: a glob matches no
    kernel of the pool; FetchError: the network, or a damaged kernel; MissingToolError: apt, dpkg, a compiler.
    """
    given = given or Given(mirrors=tuple(mirrors))
    if given.lock is not None:
        return _locked(patterns, pool, events, runner, given)
    groups = resolve_each(packages_together(patterns), pool, events, runner, given)
    found = {kernel.id: kernel for group in groups for kernel in group}
    if not found:
        raise NothingSelectedError("no kernel selected", hint="name one: -k debian:RELEASE, or see dlkm kernel list")
    return tuple(found.values())


def resolve_each(
    patterns: Sequence[str], pool: Pool, events: Events, runner: Runner, given: Given
) -> tuple[tuple[Kernel, ...], ...]:
    """As `resolve`, the kernels of each word apart; one that several words name is in each group."""
    if given.lock is not None:
        return tuple(_locked([pattern], pool, events, runner, given) for pattern in patterns)
    found: dict[str, Kernel] = {}
    selection = _Selection(pool, events, runner, given, found)
    groups = []
    for pattern in patterns:
        group = selection.kernels(pattern)
        for kernel in group:
            found.setdefault(kernel.id, kernel)
        groups.append(tuple(found[kernel.id] for kernel in group))
    return tuple(groups)


def add(
    patterns: Sequence[str],
    pool: Pool,
    events: Events,
    runner: Runner,
    mirrors: Sequence[str] = (),
    *,
    given: Given | None = None,
) -> tuple[Kernel, ...]:
    """As `resolve`, and what lies elsewhere (a directory, a root filesystem) is registered in the pool by its path."""
    return tuple(_registered(kernel, pool) for kernel in resolve(patterns, pool, events, runner, mirrors, given=given))


def _locked(patterns: Sequence[str], pool: Pool, events: Events, runner: Runner, given: Given) -> tuple[Kernel, ...]:
    """As the lock file has them; without words all that it has."""
    from dlkm.kernel.lockfile import Lock, require

    lock = Lock.read(given.lock or Path())
    pins = {pin.id: pin for word in patterns for pin in lock.of(word)} if patterns else {p.id: p for p in lock.pins}
    free = replace(given, lock=None)
    kernels: dict[str, Kernel] = {}
    for pin in pins.values():
        found = resolve([word := _where(pin)], pool, events, runner, given=free)
        kernel = next((kernel for kernel in found if kernel.release == pin.release), None)
        if kernel is None:
            raise FetchError(f"{word}: holds no kernel {pin.release}, which {given.lock} pins for {pin.spec}")
        require(pin, kernel, pool)
        kernels[kernel.id] = kernel
    if not kernels:
        raise NothingSelectedError(f"{given.lock}: pins no kernel that is asked for")
    return tuple(kernels.values())


def _where(pin: "Pin") -> str:
    """Where a pinned kernel comes from: as it came, or, where that path is not on this machine, the user's own word."""
    return pin.origin if all(path.exists() for path in Spec.parse(pin.origin).paths) else pin.spec


def packages_together(patterns: Sequence[str]) -> list[str]:
    """The words, with all that name package files joined into one: together they make their kernels."""
    files = [pattern for pattern in patterns if Spec.parse(pattern).kind is SpecKind.PACKAGES]
    joined = [",".join(files)] if files else []
    return [*joined, *(pattern for pattern in patterns if pattern not in files)]


def present(pool: Pool) -> Iterator[Kernel | Broken]:
    """All that the pool has, as it is now; what is only registered is read where it lies. None is verified."""
    for entry in pool.records():
        if isinstance(entry, Broken):
            yield entry
            continue
        try:
            yield entry.kernel(pool.home(entry.id)) if entry.parts else _reread(entry)
        except DlkmError as error:
            yield Broken(entry.id, error.what)


@dataclass(frozen=True, slots=True)
class _Selection:
    pool: Pool
    events: Events
    runner: Runner
    given: Given
    found: Mapping[str, Kernel]  # by the words before, so that ids stay unique among all words

    def kernels(self, pattern: str) -> tuple[Kernel, ...]:
        spec = Spec.parse(pattern)
        if self.pool.record(pattern) is not None:
            return (self.take(pattern),)
        readers: dict[SpecKind, Callable[[str], tuple[Kernel, ...]]] = {
            SpecKind.NAME: self.named,
            SpecKind.DEBIAN: self.debian,
            SpecKind.RUNNING: self.running,
            SpecKind.ROOTFS: self.rootfs,
            SpecKind.SOURCE: self.source,
            SpecKind.SNAPSHOT: self.snapshot,
            SpecKind.PACKAGES: self.packages,
            SpecKind.DIRECTORY: self.at,
        }
        return readers[spec.kind](spec.argument)

    def debian(self, text: str) -> tuple[Kernel, ...]:
        """From Debian's archive; a mirror that is a directory of .deb files is looked into first."""
        from dlkm.kernel import debian

        folders = [Path(mirror).expanduser() for mirror in self.given.mirrors if "://" not in mirror]
        for folder in folders:
            if not folder.is_dir():
                raise UsageError(
                    f"--mirror {folder}: is no directory and no URL", hint="write http://, https:// or file:"
                )
        plain = [folder for folder in folders if not (folder / "dists").is_dir()]
        if plain and len(plain) == len(self.given.mirrors):
            return debian.add_from_folders(text, plain, self.pool, self.events)
        urls = [
            mirror if "://" in mirror else Path(mirror).expanduser().resolve().as_uri() for mirror in self.given.mirrors
        ]
        verify = not self.given.unverified
        return debian.add(text, self.pool, self.events, self.runner, urls, verify=verify)

    def running(self, _argument: str) -> tuple[Kernel, ...]:
        """This machine's own."""
        from dlkm.kernel import rooted

        kernel = rooted.running(partial=self.given.partial)
        for warning in rooted.running_lacks(kernel):
            self.events.warning(warning)
        return (self.identified(kernel),)

    def rootfs(self, argument: str) -> tuple[Kernel, ...]:
        """What is installed in a directory, or in an image of a file system."""
        where = Path(argument).expanduser()
        if where.is_file():
            from dlkm.kernel import rootimage

            return rootimage.add(where, self.pool, self.events, self.runner)
        from dlkm.kernel import rooted

        return tuple(map(self.identified, rooted.rootfs_kernels(where)))

    def source(self, argument: str) -> tuple[Kernel, ...]:
        """With its full source."""
        from dlkm.kernel import source

        return (source.add(argument, self.pool, self.events, self.runner, self.given),)

    def snapshot(self, argument: str) -> tuple[Kernel, ...]:
        """What was collected on a target."""
        from dlkm.kernel import snapshot

        return (snapshot.add(Path(argument).expanduser(), self.pool, self.events),)

    def packages(self, argument: str) -> tuple[Kernel, ...]:
        """From package files."""
        from dlkm.kernel import packages

        return packages.add([Path(part).expanduser() for part in argument.split(",")], self.pool, self.events)

    def at(self, where: str) -> tuple[Kernel, ...]:
        """The tree or headers in a directory, or the packages that lie there."""
        source, build = split_directory(where)
        if source == build and source.expanduser().is_dir() and not (source.expanduser() / "Makefile").exists():
            from dlkm.kernel import packages

            folder = source.expanduser().resolve()
            if files := packages.in_folder(folder):
                return packages.add(files, self.pool, self.events, origin=str(folder))
        from dlkm.kernel import directory

        kernel = directory.kernel_at(source, build)
        for warning in directory.lacks(kernel):
            self.events.warning(warning)
        return (self.identified(kernel),)

    def named(self, name: str) -> tuple[Kernel, ...]:
        """An id that is not in the pool, or a glob."""
        if not is_glob(name):
            raise self.unknown(name)
        matching = [kernel for kernel in self.pool.ids() if fnmatch.fnmatchcase(kernel, name)]
        if not matching:
            raise NothingSelectedError(
                f"no kernel in the pool matches {name!r}", hint=f"add some first: dlkm kernel add debian:{name}"
            )
        return tuple(self.take(kernel) for kernel in matching)

    def take(self, kernel: str) -> Kernel:
        """A kernel of the pool: verified, or, when it only is registered, read anew where it lies."""
        record = self.pool.record(kernel)
        if record is not None and not record.parts:
            return _reread(record)
        return record.kernel(self.pool.home(kernel)) if record and self.given.unverified else self.pool.take(kernel)

    def identified(self, kernel: Kernel) -> Kernel:
        """With an id that no other kernel of the pool has: the release, or the release and where it lies."""
        return replace(kernel, id=_free_id(kernel, self.pool, self.found))

    def unknown(self, name: str) -> UsageError:
        import difflib

        from dlkm.kernel import debian

        close = difflib.get_close_matches(name, self.pool.ids(), n=3)
        if is_release(name) and debian.is_flavoured(name):
            hint = f"dlkm kernel add debian:{name}"
        elif close:
            hint = f"did you mean {' or '.join(close)}?"
        else:
            hint = "see 'dlkm kernel list', or name it by a SPEC: debian:RELEASE, a directory, running"
        return UsageError(f"no kernel {name!r} in the pool", hint=hint)


def _free_id(kernel: Kernel, pool: Pool, found: Mapping[str, Kernel]) -> str:
    taken = {other.id: other.origin for other in found.values()}
    taken |= {record.id: record.origin for record in pool.records() if isinstance(record, Record)}
    known = next((name for name, origin in taken.items() if (origin, name.split("@")[0]) == _identity(kernel)), None)
    if known is not None:
        return known
    if kernel.release not in {*pool.ids(), *taken}:
        return kernel.release
    kind = kernel.origin.partition(":")[0] if kernel.origin.startswith(("rootfs:", "running")) else "dir"
    return f"{kernel.release}@{kind}-{hashlib.sha256(kernel.origin.encode()).hexdigest()[:6]}"


def _identity(kernel: Kernel) -> tuple[str, str]:
    return kernel.origin, kernel.release


def _registered(kernel: Kernel, pool: Pool) -> Kernel:
    if (pool.root / kernel.id).exists() and pool.record(kernel.id) is not None:
        return kernel
    entry = Record(
        id=kernel.id,
        release=kernel.release,
        arch=kernel.arch.name,
        origin=kernel.origin,
        vermagic=kernel.vermagic,
        compiler=kernel.compiler,
        exports=kernel.exports,
    )
    with pool.locked(kernel.id), pool.scratch(kernel.id) as made:
        pool.put(entry, made)
    return kernel


def _reread(record: Record) -> Kernel:
    """A registered kernel as it is now, under its own id; UsageError when it is gone or has become another."""
    from dlkm.kernel import directory, rooted

    spec = Spec.parse(record.origin)
    sources: dict[SpecKind, Callable[[], tuple[Kernel, ...]]] = {
        SpecKind.RUNNING: lambda: (rooted.running(),),
        SpecKind.ROOTFS: lambda: rooted.rootfs_kernels(Path(spec.argument)),
        SpecKind.DIRECTORY: lambda: (directory.kernel_at(*split_directory(spec.argument)),),
    }
    read = sources.get(spec.kind)
    now = next((kernel for kernel in (read() if read else ()) if kernel.release == record.release), None)
    if now is None:
        raise UsageError(
            f"{record.origin}: no longer holds kernel {record.release}", hint=f"dlkm kernel rm {record.id}"
        )
    return replace(now, id=record.id)
