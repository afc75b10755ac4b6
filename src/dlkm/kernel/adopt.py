# SPDX-License-Identifier: GPL-2.0-or-later
"""From a tree that was just made below the pool's scratch to a kernel of the pool, whatever it was made from."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.files import sha256_file, write_atomically
from dlkm.kernel import manifest, rest
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.manifest import Manifest
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import PARTS, Record, Unpacked


def adopt(pool: Pool, name: str, kernel: Kernel, made: Path, packages: Sequence[Unpacked] = ()) -> Kernel:
    """Make what lies in `made` (below the pool's scratch) the kernel `name` of the pool."""
    files = Manifest.of(made)
    tell = pool.while_whole(kernel, made, files)
    files, packed = rest.put_away(kernel, made, files)
    there = pool.put(_record(name, replace(kernel, packed=packed), made, packages, files), made)
    tell(there)
    return there


def _record(name: str, kernel: Kernel, made: Path, packages: Sequence[Unpacked], files: Manifest) -> Record:
    """What is to be known of the kernel in `made`, its parts below it; writes its list of unpacked files.

    Verified each time it is taken: what answers rest on (image, Module.symvers, configuration).
    """
    write_atomically(made / manifest.NAME, files.to_json())
    # By their real place: /lib may be a link to /usr/lib.
    found = ((part, getattr(kernel, part)) for part in PARTS)
    inside = {part: str(path.resolve().relative_to(made.resolve())) for part, path in found if path is not None}
    verified = {inside[part] for part in ("image", "symvers", "config_file") if part in inside}
    verified |= {str(path.relative_to(made)) for path in (made / "tree/boot").glob("config-*")}
    regular = {path for path, entry in files.entries.items() if entry.target is None}
    listed = {rest.LIST: sha256_file(made / rest.LIST)} if kernel.packed is not None else {}
    return Record(
        id=name,
        release=kernel.release,
        arch=kernel.arch.name,
        origin=kernel.origin,
        size=files.size,
        vermagic=kernel.vermagic,
        compiler=kernel.compiler,
        exports=kernel.exports,
        lacks=kernel.lacks,
        parts=inside,
        packages=tuple(packages),
        digests={path: files.entries[path].sha256 for path in sorted(verified & regular)} | listed,
        packed=kernel.packed,
        manifest=manifest_digest(made),
    )


def manifest_digest(made: Path) -> str:
    """The digest of the list of files: it stands for every byte of the kernel."""
    return sha256_file(made / manifest.NAME)


def present(pool: Pool, release: str, packages: Sequence[Unpacked], origin: str | None = None) -> Kernel | None:
    """The kernel that was made from these very files before, if it is whole; a damaged one counts as absent.

    `origin`: only one that came this way.
    """
    for entry in pool.records():
        if not isinstance(entry, Record) or entry.release != release or origin not in {None, entry.origin}:
            continue
        if {package.sha256 for package in entry.packages} != {package.sha256 for package in packages}:
            continue
        try:
            kernel = pool.take(entry.id)
            if not pool.damage(entry.id, whole=False):
                return kernel
        except DlkmError:
            continue
    return None


def free_id(pool: Pool, release: str, origin: str, kind: str) -> str:
    """The release, or `RELEASE@KIND-…` when another kernel of the pool has that id; the same for the same origin."""
    taken = {entry.id: entry.origin for entry in pool.records() if isinstance(entry, Record)}
    known = [name for name, other in taken.items() if other == origin and name.split("@")[0] == release]
    if known:
        return known[0]
    if release not in pool.ids():
        return release
    plain = f"{release}@{kind}"
    return plain if plain not in pool.ids() else f"{plain}-{hashlib.sha256(origin.encode()).hexdigest()[:6]}"
