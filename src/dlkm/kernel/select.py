# SPDX-License-Identifier: GPL-2.0-or-later
"""From the words of `-k` and `kernel add` to kernels; what is not there yet is added on the way."""

import fnmatch
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.core.errors import DlkmError, NothingSelectedError, UsageError
from dlkm.core.events import Events
from dlkm.core.names import is_release
from dlkm.core.processes import Runner
from dlkm.kernel import directory, rooted
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Broken, Pool
from dlkm.kernel.record import Record
from dlkm.kernel.spec import Spec, SpecKind, is_glob, split_directory


def resolve(
    patterns: Sequence[str], pool: Pool, events: Events, runner: Runner, mirrors: Sequence[str] = ()
) -> tuple[Kernel, ...]:
    """The kernels that the words name, each once, in the order of the words; Debian's are added to the pool.

    UsageError: a word names nothing that exists; NothingSelectedError: a glob matches no kernel of the pool;
    FetchError: the network, or a damaged kernel; MissingToolError: apt or dpkg.
    """
    found: dict[str, Kernel] = {}
    selection = _Selection(pool, events, runner, tuple(mirrors), found)
    for pattern in patterns:
        for kernel in selection.kernels(pattern):
            found.setdefault(kernel.id, kernel)
    if not found:
        raise NothingSelectedError("no kernel selected", hint="name one: -k debian:RELEASE, or see dlkm kernel list")
    return tuple(found.values())


def add(
    patterns: Sequence[str], pool: Pool, events: Events, runner: Runner, mirrors: Sequence[str] = ()
) -> tuple[Kernel, ...]:
    """As `resolve`, and what lies elsewhere (a directory, a root filesystem) is registered in the pool by its path."""
    return tuple(_registered(kernel, pool) for kernel in resolve(patterns, pool, events, runner, mirrors))


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
    mirrors: tuple[str, ...]
    found: Mapping[str, Kernel]  # by the words before, so that ids stay unique among all words

    def kernels(self, pattern: str) -> tuple[Kernel, ...]:
        spec = Spec.parse(pattern)
        if self.pool.record(pattern) is not None:
            return (self.take(pattern),)
        match spec.kind:
            case SpecKind.NAME:
                return self.named(spec.argument)
            case SpecKind.DEBIAN:
                from dlkm.kernel import debian

                return debian.add(spec.argument, self.pool, self.events, self.runner, self.mirrors)
            case SpecKind.RUNNING:
                return (self.identified(rooted.running()),)
            case SpecKind.ROOTFS:
                return tuple(map(self.identified, rooted.rootfs_kernels(Path(spec.argument).expanduser())))
            case SpecKind.DIRECTORY:
                return (self.identified(self.at(spec.argument)),)

    def at(self, where: str) -> Kernel:
        """The tree or headers in a directory."""
        kernel = directory.kernel_at(*split_directory(where))
        if kernel.symvers is None:
            self.events.warning(
                f"{kernel.headers} has no Module.symvers: modules built there carry no symbol versions, "
                "and what the kernel exports is not known"
            )
        return kernel

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
        if record is None or record.parts:
            return self.pool.take(kernel)
        return _reread(record)

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
