# SPDX-License-Identifier: GPL-2.0-or-later
"""What was read of a kernel's image, kept in the cache: reading takes a second, and the same image is asked often.

A record is checked, not trusted: it says which bytes it is of (size, times and number of the file; its SHA-256 where
one of these has changed), and carries a digest of itself. Whatever is wrong with it, the image is read anew.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dlkm.core.errors import DlkmError
from dlkm.core.files import sha256_file
from dlkm.kernel.image_btf import Types
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.readings import asked_for, folder, keep
from dlkm.kernel.symvers import KernelSymbol, Symvers

FORMAT = 3
LIMIT = 16 << 20  # bytes of a record; a distribution's has some thousand
_SHOWN = 20  # names of exports that differ; all are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """How Module.symvers differs from the image: exports of the kernel itself that only one has, or with other data.

    `compared` is how many were looked at, `names` are some of those that differ.
    """

    differing: int
    compared: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """One image. `fault` is why it could not be read, or why it does not tell its exports.

    What it does not tell is None. `btf` is the number of types of its type information and the bytes of their names.
    `sysfs` are the names that built-in parameters take below /sys/module.
    """

    release: str | None = None
    vermagic: str | None = None
    certificates: tuple[bytes, ...] | None = None
    struct_module_size: int | None = None
    btf: tuple[int, int] | None = None
    sysfs: tuple[str, ...] | None = None
    exports: bool = False
    fault: str | None = None
    stale: Stale | None = None


def recorded(kernel: Kernel, home: Path | None = None) -> ImageRecord | None:
    """What a kernel's image tells, from its record or read now; None for a kernel without an image."""
    if kernel.image is None:
        return None
    return _Cache(kernel, kernel.image, home or folder("images")).record()


def on_record(kernel: Kernel, home: Path | None = None) -> ImageRecord | None:
    """The record of an image that did not change since; None where `recorded` would have to read the image or none."""
    if kernel.image is None:
        return None
    return _Cache(kernel, kernel.image, home or folder("images")).known()


def recorded_symvers(kernel: Kernel, home: Path | None = None) -> Symvers:
    """What the image exports; an empty table where it does not tell."""
    if kernel.image is None:
        return Symvers.of(())
    return _Cache(kernel, kernel.image, home or folder("images")).exports()


def recorded_exports(kernel: Kernel, home: Path | None = None) -> Mapping[str, KernelSymbol]:
    """What the image exports by name; empty where it does not tell."""
    return recorded_symvers(kernel, home).symbols


def recorded_btf_names(kernel: Kernel, home: Path | None = None) -> bytes | None:
    """The names of the image's type information, one behind the other; None where it has none that can be read."""
    if kernel.image is None:
        return None
    return _Cache(kernel, kernel.image, home or folder("images")).btf_names()


def recorded_types(kernel: Kernel, home: Path | None = None) -> Types | None:
    """Each named type of the image's type information with its size and members; None where it has none."""
    if kernel.image is None:
        return None
    return _Cache(kernel, kernel.image, home or folder("images")).types()


def record_files(kernel: Kernel, home: Path | None = None) -> tuple[Path, ...]:
    """Where all this is kept, be it there or not; none for a kernel without an image."""
    if kernel.image is None:
        return ()
    return _Cache(kernel, kernel.image, home or folder("images")).files


def move(kernel: Kernel, there: Kernel) -> None:
    """What is kept of a kernel's image is from now on of the same kernel as it lies in another place."""
    for old, new in zip(record_files(kernel), record_files(there), strict=False):
        with suppress(OSError):
            old.replace(new)


class _Cache:
    """The files of one image: the record, its exports in the form of a Module.symvers, its types and their names."""

    def __init__(self, kernel: Kernel, image: Path, home: Path) -> None:
        name = hashlib.sha256(os.fsencode(image.absolute())).hexdigest()[:32]
        self._kernel = kernel
        self._image = image
        self._path = home / f"{name}.json"
        self._exports = home / f"{name}.symvers"
        self._names = home / f"{name}.btf"
        self._types = home / f"{name}.types"

    @property
    def files(self) -> tuple[Path, ...]:
        return self._path, self._exports, self._names, self._types

    def known(self) -> ImageRecord | None:
        table = _load(self._path)
        if table is None or (table["image"], table["symvers"]) != self._identity():
            return None
        asked_for(self._path)
        return _record(table)

    def _identity(self) -> tuple[list[int], list[int]]:
        return _identity(self._image), _identity(self._kernel.symvers)

    def record(self) -> ImageRecord:
        if (known := self.known()) is not None:
            return known
        table, now = _load(self._path), self._identity()
        digests = _digest(self._image), _digest(self._kernel.symvers)
        if table is not None and (table["digest"], table["symvers_digest"]) == digests:
            record = _record(table)
        else:
            record = self._read()
        self._keep(record, now, digests)
        return record

    def exports(self) -> Symvers:
        if not self.record().exports:
            return Symvers.of(())
        text = self._load_beside(self._exports)
        with suppress(DlkmError):
            if text is not None:
                return Symvers.parse(text.decode("utf-8", "surrogateescape"), str(self._exports))
            return Symvers.of(self._read_exports().values())
        return Symvers.of(())

    def btf_names(self) -> bytes | None:
        if self.record().btf is None:
            return None
        names = self._load_beside(self._names)
        with suppress(DlkmError):
            return names if names is not None else self._read_names()
        return None

    def types(self) -> Types | None:
        if self.record().btf is None:
            return None
        kept = self._load_beside(self._types)
        with suppress(DlkmError):
            found: Types | None = json.loads(kept) if kept is not None else self._read_types()
            return found
        return None

    def _load_beside(self, path: Path) -> bytes | None:
        """A file of this image, when it is what was written."""
        with suppress(OSError):
            digest, _, data = path.read_bytes().partition(b"\n")
            if digest == self._seal(data):
                asked_for(path)
                return data
        return None

    def _keep_beside(self, path: Path, data: bytes) -> None:
        keep(path, self._seal(data) + b"\n" + data)

    def _seal(self, data: bytes) -> bytes:
        """A digest of what is kept, and of which image it is."""
        return hashlib.sha256(_digest(self._image).encode() + data).hexdigest().encode()

    def _read(self) -> ImageRecord:
        """From the image itself."""
        from dlkm.kernel.image import read_image
        from dlkm.kernel.image_params import sysfs_names

        try:
            image = read_image(self._image)
            record = ImageRecord(
                release=image.release,
                vermagic=image.vermagic,
                certificates=image.certificates,
                struct_module_size=image.struct_module_size,
                btf=image.btf_extent,
                sysfs=sysfs_names(image),
            )
        except DlkmError as error:
            return ImageRecord(fault=self._without_place(error))
        try:
            self._keep_names(image)
            if not self._kernel.origin.startswith("rootfs:"):  # where a no is rare, and asks for them then
                self._keep_types(image)
            exports = self._keep_exports(image)
            return replace(record, exports=True, stale=_compare(self._kernel.symvers, exports))
        except DlkmError as error:
            return replace(record, fault=self._without_place(error))

    def _without_place(self, error: DlkmError) -> str:
        """What is wrong, without where the image lies: a kernel that is being added moves afterwards."""
        return error.what.removeprefix(f"{self._image}: ")

    def _read_exports(self) -> Mapping[str, KernelSymbol]:
        from dlkm.kernel.image import read_image

        return self._keep_exports(read_image(self._image))

    def _keep_exports(self, image: Any) -> Mapping[str, KernelSymbol]:
        from dlkm.kernel.image_exports import exports_of_image

        found = exports_of_image(image)
        self._keep_beside(self._exports, symvers_text(found.values()).encode("utf-8", "surrogateescape"))
        return found

    def _read_names(self) -> bytes | None:
        from dlkm.kernel.image import read_image

        return self._keep_names(read_image(self._image))

    def _keep_names(self, image: Any) -> bytes | None:
        names: bytes | None = image.btf.names if image.btf is not None else None
        if names is not None:
            self._keep_beside(self._names, names)
        return names

    def _read_types(self) -> Types | None:
        from dlkm.kernel.image import read_image

        return self._keep_types(read_image(self._image))

    def _keep_types(self, image: Any) -> Types | None:
        if image.btf is None:
            return None
        from dlkm.kernel.types import types_in

        found = types_in(image.btf)
        self._keep_beside(self._types, json.dumps(found).encode())
        return found

    def _keep(self, record: ImageRecord, now: tuple[Any, Any], digests: tuple[str, str]) -> None:
        table = {
            "image": now[0],
            "symvers": now[1],
            "digest": digests[0],
            "symvers_digest": digests[1],
            "facts": asdict(record) | {"certificates": _encoded(record.certificates)},
        }
        body = json.dumps(table, sort_keys=True)
        keep(self._path, json.dumps({"format": FORMAT, "check": _check(body), "body": body}))


def symvers_text(symbols: Iterable[KernelSymbol]) -> str:
    """Exports as a Module.symvers lists them."""
    return "".join(f"{_row(one)}\n" for one in symbols)


def _row(symbol: KernelSymbol) -> str:
    kind = "EXPORT_SYMBOL_GPL" if symbol.gpl else "EXPORT_SYMBOL"
    return f"{symbol.crc:#010x}\t{symbol.name}\t{symbol.provider}\t{kind}\t{symbol.namespace}"


def _identity(path: Path | None) -> list[int]:
    """What changes when a file does; empty for none."""
    if path is None:
        return []
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _digest(path: Path | None) -> str:
    try:
        return "" if path is None else sha256_file(path)
    except OSError:
        return ""


def _check(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _load(path: Path) -> dict[str, Any] | None:
    """A record that is whole and of this form; None for any other."""
    try:
        with path.open("rb") as stream:
            outer = json.loads(stream.read(LIMIT))
        if outer["format"] != FORMAT or _check(outer["body"]) != outer["check"]:
            return None
        table = json.loads(outer["body"])
        _record(table)
        _ = table["image"], table["symvers"], table["digest"], table["symvers_digest"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def _record(table: Mapping[str, Any]) -> ImageRecord:
    facts = dict(table["facts"])
    encoded, btf, stale = facts["certificates"], facts["btf"], facts["stale"]
    facts["certificates"] = None if encoded is None else tuple(map(base64.b64decode, encoded))
    facts["btf"] = None if btf is None else (int(btf[0]), int(btf[1]))
    facts["sysfs"] = None if facts["sysfs"] is None else tuple(facts["sysfs"])
    facts["stale"] = None if stale is None else Stale(**stale | {"names": tuple(stale["names"])})
    return ImageRecord(**facts)


def _encoded(certificates: tuple[bytes, ...] | None) -> list[str] | None:
    return None if certificates is None else [base64.b64encode(one).decode() for one in certificates]


def _compare(symvers: Path | None, exports: Mapping[str, KernelSymbol]) -> Stale | None:
    """How Module.symvers differs; None where it does not, or is not at hand or no Module.symvers at all."""
    if symvers is None:
        return None
    try:
        theirs = {name: one for name, one in Symvers.read(symvers).symbols.items() if one.from_kernel}
    except DlkmError:
        return None
    names = list(_differing(theirs, exports))
    return Stale(differing=len(names), compared=len(exports), names=tuple(names[:_SHOWN])) if names else None


def _differing(theirs: Mapping[str, KernelSymbol], ours: Mapping[str, KernelSymbol]) -> Iterator[str]:
    for name in sorted(theirs.keys() | ours.keys()):
        if theirs.get(name) != ours.get(name):
            yield name
