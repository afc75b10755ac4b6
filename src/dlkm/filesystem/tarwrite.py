# SPDX-License-Identifier: GPL-2.0-or-later
"""A tar archive with some members changed; every other one stays byte for byte, in its place."""

import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from dlkm.core.errors import MalformedError
from dlkm.filesystem.assembly import Assembly
from dlkm.filesystem.change import Change
from dlkm.filesystem.copying import create
from dlkm.filesystem.delta import Kept
from dlkm.filesystem.place import Kind
from dlkm.filesystem.tar import BLOCK, Extent, TarArchive

_RECORD = 20 * BLOCK  # bytes; tar pads its files to it
_OWN = ("path", "linkpath", "size")  # what Python's writer works out anew
_TYPES = {Kind.FILE: tarfile.REGTYPE, Kind.DIRECTORY: tarfile.DIRTYPE, Kind.LINK: tarfile.SYMTYPE}


def rewrite_plain(archive: TarArchive, changes: Sequence[Change], into: Path, when: int) -> tuple[Kept, ...]:
    """Write the archive anew, not packed; what it has in common with `archive.plain`."""
    with archive.plain.open("rb") as source, create(into) as sink:
        assembly = Assembly(source, sink)
        _Writer(archive, changes, assembly, source, when).write()
        return tuple(assembly.kept)


class _Writer:
    """One archive being written."""

    def __init__(
        self, archive: TarArchive, changes: Iterable[Change], assembly: Assembly, source: BinaryIO, when: int
    ) -> None:
        self._archive, self._assembly, self._source, self._when = archive, assembly, source, when
        self._changes = {change.path: change for change in changes}
        self._last = {extent.path: number for number, extent in enumerate(archive.extents) if extent.path is not None}
        self._prefix = _prefix(archive.extents[0].name)
        self._heirs: dict[int, str] = {}

    def write(self) -> None:
        """All of it."""
        for number, extent in enumerate(self._archive.extents):
            change = None if extent.path is None else self._changes.get(extent.path)
            if change is None:
                self._keep(extent)
            elif self._last[change.path] == number:
                self._put(change)
        for path, change in self._changes.items():
            if path not in self._last:
                self._put(change)
        self._end()

    def _keep(self, extent: Extent) -> None:
        """A member as it is; where what it is a hard link of is changed, one of another, or the file that both were."""
        if extent.link is None or extent.link not in self._changes:
            self._assembly.keep(extent.start, extent.end)
            return
        first = self._archive.extents[extent.first]
        info = self._info(extent)
        if first.path not in self._changes:
            self._link(info, first.name)
        elif extent.first in self._heirs:
            self._link(info, self._heirs[extent.first])
        else:
            self._heirs[extent.first] = extent.name
            self._inherit(first, info.name)

    def _link(self, info: tarfile.TarInfo, target: str) -> None:
        info.linkname = target
        self._assembly.add(_header(info))

    def _inherit(self, first: Extent, name: str) -> None:
        if first.sparse:
            where = self._archive.path
            raise MalformedError(f"{where}: {first.name} is sparse and has hard links: it cannot be replaced")
        info = self._info(first)
        info.name = name
        self._assembly.add(_header(info))
        self._assembly.keep(first.data, first.end)

    def _info(self, extent: Extent) -> tarfile.TarInfo:
        """A member's header as Python's reader has it, extended attributes among the rest."""
        self._source.seek(extent.start)
        try:
            with tarfile.open(fileobj=self._source, mode="r:", errors="surrogateescape", encoding="utf-8") as archive:
                info = next(iter(archive))
        except (tarfile.TarError, StopIteration) as error:
            raise MalformedError(f"{self._archive.path}: {extent.name}: {error}") from error
        info.pax_headers = {name: value for name, value in info.pax_headers.items() if name not in _OWN}
        return info

    def _put(self, change: Change) -> None:
        if change.kind is Kind.MISSING:
            return
        info = tarfile.TarInfo(self._prefix + change.path)
        info.type = _TYPES[change.kind]
        info.mode = 0o777 if change.kind is Kind.LINK else change.mode
        info.mtime = self._when
        info.uname = info.gname = "root"
        info.linkname = change.target
        info.size = change.size if change.kind is Kind.FILE else 0
        self._assembly.add(_header(info))
        if change.kind is Kind.FILE:
            self._assembly.add_content(change)
            self._assembly.fill(BLOCK)

    def _end(self) -> None:
        """The mark of the end with all that follows it, and as many zeroes more as tar would have written."""
        size = self._archive.plain.stat().st_size
        self._assembly.keep(self._archive.end, size)
        self._assembly.fill(_RECORD if size % _RECORD == 0 else BLOCK)
        self._assembly.settle()


def _header(info: tarfile.TarInfo) -> bytes:
    """With pax headers where there are some to keep, else as GNU tar writes long names, which all can read."""
    if info.pax_headers:
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _prefix(name: str) -> str:
    """How the archive's names begin."""
    if name in {".", "./"} or name.startswith("./"):
        return "./"
    return "/" if name.startswith("/") else ""
