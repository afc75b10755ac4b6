# SPDX-License-Identifier: GPL-2.0-or-later
"""What was found once of a kernel's modules, by their content: a digest instead of a look. Judges nothing itself.

The pool keeps beside a kernel (`ID/known`) of each file that the first look said yes to (quick.py) the BLAKE3 of its
bytes as they lie there, compressed or not, with the module's name and taint; of those that were looked at while the
kernel was added (whole.py) the SHA-256 that its lists of files have, too. A file is digested each time. What was found
by other rules, for another kernel of that id, or was damaged since counts as never found.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.files import sha256_file, write_atomically
from dlkm.core.rooms import digest_of_rooms
from dlkm.core.suffixes import MODULE_SUFFIXES
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.record import NAME as RECORD
from dlkm.kernel.record import Record
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.digests import digest, from_file

NAME = "known"
Plain = tuple[str, str]  # name and taint letters of a module that loads without a finding

_MARK = "dlkm known 2"
_MANY = 20_000  # digests, by two of which a module may be known; more are of files that nobody has any more
_LIMIT = 16 << 20  # bytes of the list; that of 4,000 modules has 350 kB
_ROOMS = ("core", "data", "kernel", "ko", "verdict")  # what a yes depends on
_LISTS = ("modules.builtin", "modules.builtin.modinfo")


@dataclass(frozen=True, kw_only=True)
class Known:
    """Names and taints by digest, and what else must be so: the modules that serve others, digests of lists."""

    plain: Mapping[str, Plain]
    givers: frozenset[str]
    lists: tuple[str, ...]

    @classmethod
    def read(cls, home: Path) -> "Known | None":
        """What is kept in a kernel's directory of the pool; None when there is nothing, or nothing to rely on."""
        try:
            with (home / NAME).open("rb") as stream:
                raw = stream.read(_LIMIT + 1)
            seal, _, body = raw.partition(b"\n")
            if len(raw) > _LIMIT or hashlib.sha256(body).hexdigest().encode() != seal:
                return None
            head, givers, lists, *rows = body.decode().splitlines()
            if head != _head(Record.read(home / RECORD)):
                return None
            cells = [row.split("\t") for row in rows]
            plain = {digest: (name, taint) for digests, name, taint in cells for digest in digests.split(" ")}
            return cls(plain=plain, givers=frozenset(givers.split()), lists=tuple(lists.split()))
        except (OSError, DlkmError, ValueError):
            return None

    def write(self, home: Path) -> None:
        """Keep it in a kernel's directory of the pool."""
        rows = (f"{' '.join(digests)}\t{name}\t{taint}" for digests, (name, taint) in self._rows())
        parts = (_head(Record.read(home / RECORD)), " ".join(sorted(self.givers)), " ".join(self.lists), *rows)
        body = "\n".join(parts).encode()
        write_atomically(home / NAME, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)

    def _rows(self) -> list[tuple[list[str], Plain]]:
        """Each module once, with all digests that it is known by."""
        digests: dict[Plain, list[str]] = {}
        for one, plain in sorted(self.plain.items()):
            digests.setdefault(plain, []).append(one)
        return [(found, plain) for plain, found in digests.items()]

    def are_at_hand(self, modules: Path) -> bool:
        """Whether the modules that serve others lie in their places below `modules`, be it packed."""
        folder = f"{modules}/kernel"
        there = os.path.isfile  # a thousand times
        gone = [one for one in self.givers if not any(there(f"{folder}/{one}{end}") for end in MODULE_SUFFIXES)]
        if not gone:
            return True
        from dlkm.kernel.demand import packed

        away = set(packed(modules))
        return all(any(f"{folder}/{one}{end}" in away for end in MODULE_SUFFIXES) for one in gone)

    def is_whole(self, modules: Path, told: Mapping[str, Plain | None]) -> bool:
        """Whether what is told of files takes in all that are installed, those that serve others known by content.

        Nothing but they is then what exports of the kernel's modules come from.
        """
        from dlkm.kernel.installed import module_paths

        places = {path.removeprefix(f"{modules}/kernel/").partition(".ko")[0]: path for path in told}
        givers = (told.get(places.get(one, "")) is not None for one in self.givers)
        return all(path in told for path in module_paths(modules)) and all(givers)

    def look(self, path: str) -> Plain | None:
        """Name and taint of the file that lies there; None for one that is not known, or cannot be read."""
        found = digest(path)
        return None if found is None else self.plain.get(found)


def contents(path: str) -> bytes | None:
    """The bytes of a regular file; None for what `from_file` has nothing of."""
    return from_file(path, lambda file, size: os.pread(file, size, 0))


def known_of(kernel: Kernel, conditions: Conditions) -> Known | None:
    """What is known of a kernel's modules under these conditions, but those that they name; None where nothing is.

    Of a kernel in a root filesystem as much as of the one of the pool that has its image and configuration. The lists
    of built-in modules are the same, and the modules that serve others lie in their places; whether those of a root
    filesystem are the kernel's own is the caller's to see (`is_whole`).
    """
    if kernel.modules is None or not _are_plain(conditions):
        return None
    home = home_of(kernel) or _twin(kernel)
    known = Known.read(home) if home is not None else None
    if known is None or known.lists != lists_of(kernel) or not known.are_at_hand(kernel.modules):
        return None
    return known


def home_of(kernel: Kernel) -> Path | None:
    """The directory of a kernel of the pool; None for one that lies elsewhere."""
    if kernel.tree is None or kernel.origin.startswith("rootfs:"):
        return None
    home = kernel.tree.parent
    return home if (home / RECORD).is_file() and kernel.modules is not None and kernel.symvers is not None else None


def lists_of(kernel: Kernel) -> tuple[str, ...]:
    """The digests of the lists of built-in modules; "-" for one that is not there."""
    assert kernel.modules is not None
    return tuple(_digest(kernel.modules / name) for name in _LISTS)


def learn(kernel: Kernel, found: Iterable[tuple[str, Plain]], givers: Iterable[str]) -> None:
    """Keep what was found of the files with these digests, too; a pool that may only be read learns nothing."""
    home = home_of(kernel)
    if home is None:
        return
    from dlkm.kernel.pool import Pool

    with suppress(OSError, DlkmError), Pool(home.parent).locked(kernel.id):
        before = Known.read(home)
        told = before.plain if before is not None and before.lists == lists_of(kernel) else {}
        keep(kernel, home, {**(told if len(told) < _MANY else {}), **dict(found)}.items(), givers)


def keep(kernel: Kernel, home: Path, found: Iterable[tuple[str, Plain]], givers: Iterable[str]) -> None:
    """The same for who holds the kernel's lock. OSError or DlkmError when it cannot be written."""
    rows = {digest: plain for digest, plain in found if plain[0].isascii() and plain[0].isprintable()}
    Known(plain=rows, givers=frozenset(givers), lists=lists_of(kernel)).write(home)


def _are_plain(conditions: Conditions) -> bool:
    """Whether they are those that the list was made under, but for modules that they name."""
    patterns = any(letter in name for name, _ in conditions.commands for letter in "*?[")
    return not patterns and replace(conditions, options=(), loaded=frozenset(), commands=(), detours=()) == Conditions()


def _head(record: Record) -> str:
    """What a list holds for: these rules, and this kernel."""
    return f"{_MARK} {_rules()} {_identity(record)}"


def _identity(record: Record) -> str:
    """The files that each use of a kernel of the pool verifies (pool.py: take), and the list of all its files."""
    told = "\n".join((record.id, record.manifest or "", *(f"{name} {one}" for name, one in record.digests.items())))
    return hashlib.sha256(told.encode()).hexdigest()


def _rules() -> str:
    """What this program's rules are."""
    return digest_of_rooms(*_ROOMS)


def _twin(kernel: Kernel) -> Path | None:
    """The kernel of the pool whose image and configuration are those of one in a root filesystem."""
    if kernel.image is None or kernel.config_file is None or kernel.symvers is not None:
        return None
    from dlkm.kernel.pool import Pool

    pool = Pool()
    wanted = {_digest(kernel.image), _digest(kernel.config_file)}
    for record in pool.records():
        if not isinstance(record, Record) or record.release != kernel.release:
            continue
        if "symvers" in record.parts and wanted <= set(record.digests.values()):
            return pool.home(record.id)
    return None


def _digest(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return "-"
