# SPDX-License-Identifier: GPL-2.0-or-later
"""What the modules of a directory export, kept in the cache: reading them all takes seconds, asking for one should not.

Checked, not trusted: what is kept belongs to one listing of the directory (names, sizes, times and numbers of all
files) and carries a digest of both. Whatever is wrong with it, the modules are read anew.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.kernel.image_record import symvers_text
from dlkm.kernel.installed import Installed
from dlkm.kernel.readings import asked_for, folder, keep
from dlkm.kernel.symvers import KernelSymbol, Symvers
from dlkm.ko.module import read_module

FORMAT = b"2"  # what is kept by another rule is not what we would keep
LIMIT = 64 << 20  # bytes of what is kept; a distribution's have two million


def exports_of_modules(installed: Installed, home: Path | None = None) -> Mapping[str, KernelSymbol]:
    """The same by name."""
    return symvers_of_modules(installed, home).symbols


def symvers_of_modules(installed: Installed, home: Path | None = None, *, expected: bool = True) -> Symvers:
    """What the modules export; where `expected`, what the kernel's own expect of the kernel, too, with no provider.

    Modules that cannot be read are passed over. What others were built for says nothing of this kernel.
    """
    path = exports_file(installed.modules_dir, home)
    listing = _listing(installed) + (b"" if expected else b"\nexports alone")
    kept = _load(path, listing)
    if kept is not None:
        return kept
    known = _read(installed, expected=expected)
    text = symvers_text(known.values())
    with suppress(DlkmError):
        # A name that is none would break the form: then there is nothing to keep.
        if Symvers.parse(text).symbols == known:
            data = text.encode("utf-8", "surrogateescape")
            keep(path, _seal(listing, data) + b"\n" + data)
    return Symvers.of(known.values())


def exports_file(modules_dir: Path, home: Path | None = None) -> Path:
    """Where this is kept of a directory, be it there or not."""
    name = hashlib.sha256(os.fsencode(modules_dir.absolute())).hexdigest()[:32]
    return (home or folder("images")) / f"{name}.modules"


def _listing(installed: Installed) -> bytes:
    """What changes when any of the files does."""
    rows = []
    for path in installed.files():
        with suppress(OSError):
            status = os.stat(path)  # noqa: PTH116 — four thousand times
            rows.append(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}\0{status.st_ino}")
    return os.fsencode("\n".join(rows))


def _load(path: Path, listing: bytes) -> Symvers | None:
    with suppress(OSError, DlkmError):
        with path.open("rb") as stream:
            seal, _, data = stream.read(LIMIT).partition(b"\n")
        if seal == _seal(listing, data):
            asked_for(path)
            return Symvers.parse(data.decode("utf-8", "surrogateescape"), str(path))
    return None


def _seal(listing: bytes, data: bytes) -> bytes:
    return hashlib.sha256(FORMAT + hashlib.sha256(listing).digest() + data).hexdigest().encode()


def _read(installed: Installed, *, expected: bool) -> dict[str, KernelSymbol]:
    known: dict[str, KernelSymbol] = {}
    own = installed.modules_dir / "kernel"
    for path in installed.files():
        try:
            module = read_module(path)
            wanted = (module.versions or {}) if expected and path.is_relative_to(own) else {}
            for symbol, crc in wanted.items():
                known.setdefault(symbol, KernelSymbol(symbol, crc, "", gpl=False, namespace=""))
            for one in module.exports:
                known[one.name] = KernelSymbol(one.name, one.crc or 0, module.name, one.gpl, one.namespace)
        except DlkmError:
            continue
    return known
