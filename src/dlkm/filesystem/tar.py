# SPDX-License-Identifier: GPL-2.0-or-later
"""A tar archive, packed or not: its members, and which bytes of it are whose. libarchive reads the headers."""

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlkm.core.errors import MalformedError
from dlkm.filesystem.copying import copy_range
from dlkm.filesystem.library import libarchive
from dlkm.filesystem.members import LIMIT, MOST_MEMBERS, Form, Member, Members, kind_of
from dlkm.filesystem.packing import Packing, unpack_streams
from dlkm.filesystem.place import Kind

BLOCK = 512  # bytes; headers and data are padded to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A member's bytes in the plain archive: header from `start`, data from `data`, all of it until `end`.

    `path` is where it lies in the root; None where it counts for nothing. `name` is as the archive has it.
    `link` is the path of the member that it is a hard link of, `first` the number of the one that has the data.
    `sparse`: its data is not what the file holds.
    """

    name: str
    path: str | None
    start: int
    data: int
    end: int
    link: str | None = None
    first: int = -1
    sparse: bool = False


class TarArchive:
    """An open tar archive; `plain` is it unpacked, the file itself where it is not packed."""

    form = Form.TAR

    def __init__(self, path: Path, packing: Packing, plain: Path) -> None:
        """MalformedError when it is no tar archive, is damaged, cut off, or names what lies outside."""
        self.path, self.packing, self.plain = path, packing, plain
        self.members = Members(path)
        self.extents: list[Extent] = []
        self.end = 0  # where the archive's end is marked
        try:
            self._read()
        except MemoryError as error:
            raise MalformedError(f"{path}: too large a header") from error

    def fetch(self, files: Mapping[str, Member], into: Path) -> None:
        """As in `Holder`."""
        sparse = {self.extents[member.key].start: name for name, member in files.items() if self._is_sparse(member)}
        with self.plain.open("rb") as source:
            for name, member in files.items():
                if not self._is_sparse(member):
                    extent = self.extents[member.key]
                    copy_range(source, extent.data, member.size, into / name)
        if sparse:
            self._fetch_sparse(sparse, into)

    def _is_sparse(self, member: Member) -> bool:
        return self.extents[member.key].sparse

    def _read(self) -> None:
        with _opened(self.plain, self.path) as (ffi, archive, entries):
            found: list[tuple[Any, ...]] = []
            for entry in entries:
                if len(found) > MOST_MEMBERS:
                    raise MalformedError(f"{self.path}: holds more than {MOST_MEMBERS} files")
                start, data = _position(ffi, archive), ffi.filter_bytes(archive, 0)
                found.append((_facts(ffi, entry._entry_p), start, data))  # noqa: SLF001 — its properties take ten times as long
            self.end = _position(ffi, archive)
        if not found:
            raise MalformedError(f"{self.path}: is no archive, or one that holds nothing")
        with self.plain.open("rb") as stream:
            stream.seek(self.end)
            if stream.read(BLOCK) != bytes(BLOCK):
                raise MalformedError(f"{self.path}: is cut off: its end is not marked", offset=self.end)
        ends = [start for _, start, _ in found[1:]] + [self.end]
        for (facts, start, data), end in zip(found, ends, strict=True):
            self._add(facts, start, data, end)

    def _add(self, facts: "_Facts", start: int, data: int, end: int) -> None:
        member = Member(
            kind=kind_of(facts.mode),
            mode=facts.mode & 0o7777,
            uid=facts.uid,
            gid=facts.gid,
            size=facts.size,
            key=len(self.extents),
            target=facts.symlink,
        )
        link = None
        if facts.hardlink is not None:
            link = self.members.place(facts.hardlink)
            first = self.members.look(link)
            if first is None or first.kind is Kind.DIRECTORY:
                raise MalformedError(f"{self.path}: {facts.name!r} is a hard link to {link!r}, which is not before it")
            member = first
        path = self.members.add(facts.name, member)
        padded = data + -(-facts.size // BLOCK) * BLOCK
        sparse = link is None and member.kind is Kind.FILE and padded != end
        number = -1 if link is None else member.key
        self.extents.append(
            Extent(name=facts.name, path=path, start=start, data=data, end=end, link=link, first=number, sparse=sparse)
        )

    def _fetch_sparse(self, wanted: Mapping[int, str], into: Path) -> None:
        with _opened(self.plain, self.path) as (ffi, archive, entries):
            for entry in entries:
                name = wanted.get(_position(ffi, archive))
                if name is not None:
                    _write_blocks(entry, into / name)


@dataclass(frozen=True, slots=True)
class _Facts:
    name: str
    mode: int
    uid: int
    gid: int
    size: int
    symlink: str
    hardlink: str | None


def _facts(ffi: Any, entry: Any) -> _Facts:
    symlink = _text(ffi.entry_symlink(entry) or ffi.entry_symlink_w(entry))
    hardlink = ffi.entry_hardlink(entry) or ffi.entry_hardlink_w(entry)
    return _Facts(
        _text(ffi.entry_pathname(entry) or ffi.entry_pathname_w(entry)),
        ffi.entry_filetype(entry) | ffi.entry_perm(entry),
        ffi.entry_uid(entry),
        ffi.entry_gid(entry),
        ffi.entry_size(entry),
        symlink,
        None if hardlink is None else _text(hardlink),
    )


def _text(raw: bytes | str | None) -> str:
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw or ""


def _position(ffi: Any, archive: Any) -> int:
    """Where the header that was read last begins."""
    ask = ffi.libarchive.archive_read_header_position
    ask.restype, ask.argtypes = ctypes.c_longlong, [ffi.c_archive_p]
    return int(ask(archive))


def _write_blocks(entry: Any, target: Path) -> None:
    left = LIMIT
    with target.open("xb") as sink:
        for block in entry.get_blocks(1 << 20):
            left -= len(block)
            if left < 0:
                raise MalformedError(f"{target.name}: unpacks to more than {LIMIT} bytes")
            sink.write(block)


@contextmanager
def _opened(plain: Path, shown: Path) -> Iterator[tuple[Any, Any, Any]]:
    """libarchive's functions, the open archive and its entries; errors of the library as ours."""
    library = libarchive()
    from libarchive import ffi
    from libarchive.exception import ArchiveError

    try:
        with plain.open("rb") as stream, library.fd_reader(stream.fileno(), "tar", "none") as entries:
            yield ffi, entries._pointer, entries  # noqa: SLF001 — it has no other way to ask for a position
    except (ArchiveError, UnicodeError, ValueError) as error:
        reason = getattr(error, "msg", str(error)) or "it ends too early"  # libarchive says nothing of that
        raise MalformedError(f"{shown}: is no tar archive that can be read: {_text(str(reason))}") from error


def open_tar(path: Path, packing: Packing, scratch: Path) -> TarArchive:
    """A tar archive; where it is packed its plain form is made in `scratch`."""
    if packing is Packing.NONE:
        return TarArchive(path, packing, path)
    plain = scratch / "plain"
    with path.open("rb") as source, plain.open("xb") as sink:
        unpack_streams(source, packing, sink, str(path), LIMIT)
    return TarArchive(path, packing, plain)


def holds_tar(start: bytes) -> bool:
    """Whether an archive that is not packed begins so."""
    return start[257:262] == b"ustar"
