# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes .deb and .ipk: an ar archive with two compressed tars. Source: deb(5), deb-control(5), opkg-build."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import BinaryIO

from dlkm.package.compression import Compression, compressing
from dlkm.package.control import described, write_control
from dlkm.package.names import Format, Version
from dlkm.package.package import RELATIONS, Package, PackageFile
from dlkm.package.relations import for_control
from dlkm.package.stamp import Stamp

_MAGIC = b"!<arch>\n"
_BLOCK = 1024  # bytes in the unit of Installed-Size


def write_deb(package: Package, form: Format, how: Compression, stamp: Stamp, sink: BinaryIO) -> None:
    """Write a package in the words of its format; `sink` can seek."""
    # Older opkg reads this part only when it is gzip's.
    for_control_file = Compression.GZ if form is Format.IPK else how
    sink.write(_MAGIC)
    with _member(sink, "debian-binary", stamp) as part:
        part.write(b"2.0\n")
    with _member(sink, f"control.tar.{for_control_file}", stamp) as part:
        _write_tar(part, for_control_file, _control(package, form), stamp)
    with _member(sink, f"data.tar.{how}", stamp) as part:
        _write_tar(part, how, _with_folders(package), stamp)


class _member:  # noqa: N801 — used as a context manager
    """A member of an ar archive, whose length is known once it is written."""

    def __init__(self, sink: BinaryIO, name: str, stamp: Stamp) -> None:
        self._sink, self._name, self._stamp = sink, name, stamp
        self._start = 0

    def __enter__(self) -> BinaryIO:
        self._sink.write(self._header(0))
        self._start = self._sink.tell()
        return self._sink

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        if kind is not None:
            return
        end = self._sink.tell()
        size = end - self._start
        self._sink.seek(self._start - len(self._header(0)))
        self._sink.write(self._header(size))
        self._sink.seek(end)
        self._sink.write(b"\n" * (size % 2))

    def _header(self, size: int) -> bytes:
        return f"{self._name:<16}{self._stamp.epoch:<12}{0:<6}{0:<6}{'100644':<8}{size:<10}`\n".encode()


def _write_tar(sink: BinaryIO, how: Compression, entries: Iterable[PackageFile], stamp: Stamp) -> None:
    """A compressed tar; an entry that is neither file nor link is a directory."""
    with (
        compressing(sink, how) as stream,
        tarfile.open(
            mode="w|", fileobj=stream, format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
        ) as archive,
    ):
        for entry in entries:
            info = tarfile.TarInfo(f".{entry.path}")
            info.mode, info.mtime = entry.mode, stamp.epoch
            info.uname = info.gname = "root"
            data = b""
            if entry.path.endswith("/"):
                info.type = tarfile.DIRTYPE
            elif entry.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
            else:
                data = entry.read()
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def _with_folders(package: Package) -> Iterator[PackageFile]:
    """Files and links, each after the directories it lies in."""
    known: set[str] = set()
    entries = [*package.files, *(PackageFile(path=f"{folder}/", mode=0o755) for folder in package.folders)]
    yield PackageFile(path="/", mode=0o755)
    for entry in sorted(entries, key=lambda entry: entry.path):
        parts = entry.path.strip("/").split("/")
        for length in range(1, len(parts)):
            above = f"/{'/'.join(parts[:length])}/"
            if above not in known:
                known.add(above)
                yield PackageFile(path=above, mode=0o755)
        if entry.path not in known:
            yield entry


def _control(package: Package, form: Format) -> Iterator[PackageFile]:
    """What control.tar holds."""
    parts = {"control": _control_file(package, form)}
    parts["conffiles"] = "".join(f"{path}\n" for path in package.conffiles)
    if form is Format.DEB:
        parts["md5sums"] = "".join(_md5sums(package))
    parts |= {field.name: getattr(package.scripts, field.name) for field in fields(package.scripts)}
    yield PackageFile(path="/", mode=0o755)
    for name, text in sorted(parts.items()):
        if text:
            mode = 0o755 if name in {field.name for field in fields(package.scripts)} else 0o644
            yield PackageFile(path=f"/{name}", mode=mode, data=text.encode("utf-8", "surrogateescape"))


def _control_file(package: Package, form: Format) -> str:
    relations = {name.capitalize(): for_control(getattr(package, name), form) for name in RELATIONS}
    head = {
        "Package": package.name,
        "Version": str(Version.parse(package.version, form)),
        "Architecture": package.arch,
        "Maintainer": package.maintainer,
    }
    own = {"Installed-Size": str(_size(package))}
    if form is Format.IPK:
        own = {"License": package.licence, "OE": package.recipe}
    tail = {"Section": package.section, "Priority": "optional", "Homepage": package.homepage}
    description = {"Description": described(package.summary, package.description)}
    return write_control({**_lines(head | own), **relations, **_lines(tail), **description})


def _lines(fields: Mapping[str, str]) -> dict[str, str]:
    """Fields of one line each, whatever came in."""
    return {name: " ".join(value.split()) for name, value in fields.items()}


def _size(package: Package) -> int:
    """In KiB, each file and directory rounded up (deb-substvars(5): Installed-Size)."""
    files = [len(file.read()) for file in package.files if file.link is None]
    return sum(-(-size // _BLOCK) for size in files) + len(list(_with_folders(package))) - len(files)


def _md5sums(package: Package) -> Iterator[str]:
    for file in sorted(package.files, key=lambda file: file.path):
        if file.link is None and file.path not in package.conffiles:
            digest = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
            yield f"{digest}  {file.path[1:]}\n"
