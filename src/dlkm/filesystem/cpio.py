# SPDX-License-Identifier: GPL-2.0-or-later
"""An initramfs: cpio archives ("newc"), plain or packed, one behind the other, as the kernel unpacks them.

Source of the rules: init/initramfs.c: unpack_to_rootfs, and Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

from dlkm.core.errors import MalformedError
from dlkm.filesystem.copying import copy_range
from dlkm.filesystem.members import LIMIT, MOST_MEMBERS, Form, Member, Members, kind_of
from dlkm.filesystem.packing import Packing, packing_of, skip_zeroes, unpack_stream
from dlkm.filesystem.place import Kind

END = b"TRAILER!!!"
HEADER = 110  # bytes
MAGICS = (b"070701", b"070702")  # the second with sums of the data
MOST_ARCHIVES = 1000
LONGEST_PATH = 4096  # PATH_MAX


@dataclass(frozen=True, slots=True)
class Header:
    """A member's header, its thirteen numbers by the names that cpio(5) gives them."""

    ino: int
    mode: int
    uid: int
    gid: int
    nlink: int
    mtime: int
    filesize: int
    devmajor: int
    devminor: int
    rdevmajor: int
    rdevminor: int
    namesize: int
    check: int

    @property
    def inode(self) -> tuple[int, int, int]:
        """What its hard links have in common."""
        return self.devmajor, self.devminor, self.ino


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A member's bytes in its plain segment: header from `start`, data from `data`, all with padding until `end`.

    `path` is where it lies in the root; None where it counts for nothing. `archive` is counted through the file.
    """

    segment: int
    archive: int
    name: bytes
    header: Header
    start: int
    data: int
    end: int
    path: str | None = None


@dataclass(slots=True, kw_only=True)
class Segment:
    """A stretch of the file that is one plain or packed stream: from `start` to `end`, unpacked in `plain`.

    `tail` is where in `plain` the end of its last archive is marked, `magic` what its headers begin with.
    """

    packing: Packing
    start: int
    end: int
    plain: Path
    magic: bytes = MAGICS[0]
    tail: int = 0


class CpioArchive:
    """An open initramfs."""

    form = Form.CPIO

    def __init__(self, path: Path, scratch: Path) -> None:
        """Plain forms of packed segments are made in `scratch`.

        MalformedError when it is no such archive, is damaged, cut off, or names what lies outside.
        """
        self.path = path
        self.members = Members(path)
        self.entries: list[Entry] = []
        self.segments: list[Segment] = []
        self._scratch = scratch
        self._left = LIMIT
        self._archives = 0
        with path.open("rb") as source:
            self._read(source)

    def fetch(self, files: Mapping[str, Member], into: Path) -> None:
        """As in `Holder`."""
        for number, segment in enumerate(self.segments):
            with segment.plain.open("rb") as source:
                for name, member in files.items():
                    entry = self.entries[member.key]
                    if entry.segment == number:
                        copy_range(source, entry.data, member.size, into / name)

    def _read(self, source: BinaryIO) -> None:
        while True:
            skip_zeroes(source)
            start = source.tell()
            magic = source.read(16)
            if not magic and self.segments:
                return
            packing = packing_of(magic)
            if packing is not Packing.NONE:
                source.seek(start)
                self._read_packed(source, packing)
            elif start % 4 == 0 and magic.startswith(b"0707"):
                segment = Segment(packing=packing, start=start, end=start, plain=self.path)
                segment.end = self._read_segment(segment, start)
                source.seek(segment.end)
            else:
                what = "something else follows the archive" if self.segments else "is no initramfs"
                raise MalformedError(f"{self.path}: {what}", offset=start)

    def _read_packed(self, source: BinaryIO, packing: Packing) -> None:
        start = source.tell()
        plain = self._scratch / f"segment-{len(self.segments)}"
        with plain.open("xb") as sink:
            unpack_stream(source, packing, sink, str(self.path), self._left)
            self._left -= sink.tell()
        self._read_segment(Segment(packing=packing, start=start, end=source.tell(), plain=plain), 0)

    def _read_segment(self, segment: Segment, place: int) -> int:
        """The archives of a stream from `place`: all of a packed one, one of a plain one; where the last one ends."""
        self.segments.append(segment)
        with segment.plain.open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                return 0
            with mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
                segment.magic = data[place : place + len(MAGICS[0])]
                while True:
                    segment.tail, end = self._read_archive(data, place)
                    place = _behind_zeroes(data, end)
                    if segment.packing is Packing.NONE or place == len(data):
                        return end

    def _read_archive(self, data: mmap, place: int) -> tuple[int, int]:
        """One archive from `place`: where its end is marked, and where that mark ends."""
        self._archives += 1
        if self._archives > MOST_ARCHIVES:
            raise MalformedError(f"{self.path}: more than {MOST_ARCHIVES} archives behind one another")
        links: dict[tuple[int, int, int], list[str]] = {}
        while True:
            entry = _entry(data, place, self.path)
            if entry.name == END:
                self._join(links)
                return entry.start, entry.end
            path = self._add(entry, data)
            if path is not None and entry.header.nlink > 1 and stat.S_ISREG(entry.header.mode):
                links.setdefault(entry.header.inode, []).append(path)
            place = entry.end

    def _add(self, entry: Entry, data: mmap) -> str | None:
        if len(self.entries) > MOST_MEMBERS:
            raise MalformedError(f"{self.path}: holds more than {MOST_MEMBERS} files")
        header = entry.header
        kind = kind_of(header.mode)
        target = data[entry.data : entry.data + header.filesize] if kind is Kind.LINK else b""
        member = Member(
            kind=kind,
            mode=stat.S_IMODE(header.mode),
            uid=header.uid,
            gid=header.gid,
            size=header.filesize,
            key=len(self.entries),
            target=target.rstrip(b"\0").decode("utf-8", "surrogateescape"),
        )
        path = self.members.add(entry.name.decode("utf-8", "surrogateescape"), member)
        self.entries.append(replace(entry, segment=len(self.segments) - 1, archive=self._archives, path=path))
        return path

    def _join(self, links: Mapping[tuple[int, int, int], list[str]]) -> None:
        """Hard links are one file; its data comes with one of them (init/initramfs.c: maybe_link)."""
        for paths in links.values():
            members = [member for path in paths if (member := self.members.look(path)) is not None]
            whole = max(members, key=lambda member: (member.size > 0, member.key))
            for path, member in zip(paths, members, strict=True):
                self.members.add(path, replace(member, size=whole.size, key=whole.key))


def holds_cpio(start: bytes) -> bool:
    """Whether an archive that is not packed begins so."""
    return start.startswith(b"0707")


def _entry(data: mmap, place: int, where: Path) -> Entry:
    """The member whose header is at `place`; it belongs to no segment yet."""
    raw = data[place : place + HEADER]
    if len(raw) < HEADER:
        raise MalformedError(f"{where}: is cut off: the archive's end is not marked", offset=place)
    if raw[:6] not in MAGICS:
        raise MalformedError(f"{where}: no header of a cpio archive as the kernel reads it (newc)", offset=place)
    try:
        header = Header(*(int(raw[at : at + 8], 16) for at in range(6, HEADER, 8)))
    except ValueError as error:
        raise MalformedError(f"{where}: a cpio header with what is no number", offset=place) from error
    name = place + HEADER
    body = _aligned(name + header.namesize)
    if not 0 < header.namesize <= LONGEST_PATH or body + header.filesize > len(data):
        raise MalformedError(f"{where}: is cut off, or a cpio header is damaged", offset=place)
    return Entry(
        segment=-1,
        archive=-1,
        name=data[name : name + header.namesize - 1].partition(b"\0")[0],
        header=header,
        start=place,
        data=body,
        end=min(_aligned(body + header.filesize), len(data)),
    )


def _aligned(place: int) -> int:
    return place + -place % 4


def _behind_zeroes(data: mmap, place: int) -> int:
    while place < len(data):
        block = data[place : place + (1 << 16)]
        rest = len(block.lstrip(b"\0"))
        if rest:
            return place + len(block) - rest
        place += len(block)
    return place
