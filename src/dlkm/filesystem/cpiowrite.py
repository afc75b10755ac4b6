# SPDX-License-Identifier: GPL-2.0-or-later
"""An initramfs with some members changed; every other one stays byte for byte, in its place and its archive.

New members go to the end of the last archive: what comes later holds where the kernel finds two of one name. Archives
of which nothing changes, as that with the microcode, are copied as they are, packed or not.
"""

import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dlkm.core.processes import Runner
from dlkm.filesystem.assembly import Assembly
from dlkm.filesystem.change import Change
from dlkm.filesystem.copying import create
from dlkm.filesystem.cpio import HEADER, CpioArchive, Entry, Header, Segment
from dlkm.filesystem.delta import Kept
from dlkm.filesystem.packing import Packing, pack
from dlkm.filesystem.place import Kind

_TYPES = {Kind.FILE: stat.S_IFREG, Kind.DIRECTORY: stat.S_IFDIR, Kind.LINK: stat.S_IFLNK}
_ALIGNMENT = 512  # what comes behind an archive begins at a block of this
_SUMMED = b"070702"


def rewrite_cpio(
    archive: CpioArchive, changes: Sequence[Change], into: Path, when: int, scratch: Path, runner: Runner
) -> tuple[Kept, ...]:
    """Write the whole file anew; what it has in common with the old one."""
    plan = _Plan(archive, changes)
    with archive.path.open("rb") as source, create(into) as sink:
        assembly = Assembly(source, sink)
        behind = 0  # where in the old file the segment before ended
        for number, segment in enumerate(archive.segments):
            if assembly.place == behind:
                assembly.keep(behind, segment.start)
            else:
                assembly.fill(_ALIGNMENT if segment.start % _ALIGNMENT == 0 else 4)
            if not plan.touches(number):
                assembly.keep(segment.start, segment.end)
            elif segment.packing is Packing.NONE:
                _Writer(plan, number, assembly, when).write()
            else:
                _add_packed(plan, number, assembly, when, scratch, runner)
            behind = segment.end
        assembly.keep(behind, archive.path.stat().st_size)
        assembly.settle()
        return tuple(assembly.kept)


def _add_packed(plan: "_Plan", number: int, whole: Assembly, when: int, scratch: Path, runner: Runner) -> None:
    segment = plan.archive.segments[number]
    plain = scratch / f"rewritten-{number}"
    with segment.plain.open("rb") as source, create(plain) as sink:
        assembly = Assembly(source, sink)
        _Writer(plan, number, assembly, when).write()
    packed = pack(plain, segment.packing, plan.archive.path, segment.start, runner)
    with packed.open("rb") as stream:
        whole.add_file(stream, 0, packed.stat().st_size)


class _Plan:
    """Which member goes where."""

    def __init__(self, archive: CpioArchive, changes: Iterable[Change]) -> None:
        self.archive = archive
        self.changes = {change.path: change for change in changes}
        self.last = {entry.path: number for number, entry in enumerate(archive.entries) if entry.path is not None}
        self.new = [change for change in self.changes.values() if change.path not in self.last]
        self.heirs = dict(self._heirs())
        self.inode = max((entry.header.ino for entry in archive.entries), default=0) + 1

    def touches(self, segment: int) -> bool:
        """Whether anything of a segment changes."""
        if self.new and segment == len(self.archive.segments) - 1:
            return True
        return any(entry.path in self.changes for entry in self.archive.entries if entry.segment == segment)

    def _heirs(self) -> "Iterable[tuple[int, Entry]]":
        """Hard links whose data came with a member that changes: the last that stays gets it. Number → whose data."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, entry in enumerate(self.archive.entries):
            if entry.header.nlink > 1 and stat.S_ISREG(entry.header.mode):
                groups.setdefault((entry.archive, *entry.header.inode), []).append(number)
        for numbers in groups.values():
            entries = [self.archive.entries[number] for number in numbers]
            whole = max(entries, key=lambda entry: (entry.header.filesize > 0, entry.start))
            stay = [number for number, entry in zip(numbers, entries, strict=True) if entry.path not in self.changes]
            if stay and whole.path in self.changes and whole.header.filesize:
                yield stay[-1], whole


class _Writer:
    """One segment being written."""

    def __init__(self, plan: _Plan, number: int, assembly: Assembly, when: int) -> None:
        self._plan, self._number, self._assembly, self._when = plan, number, assembly, when
        self._segment: Segment = plan.archive.segments[number]
        self._entries = [(index, entry) for index, entry in enumerate(plan.archive.entries) if entry.segment == number]
        self._prefix = b"./" if any(entry.name.startswith(b"./") for _, entry in self._entries) else b""

    def write(self) -> None:
        """Its archives with what changes, and the new members before the end of the last."""
        place = self._segment.start if self._segment.packing is Packing.NONE else 0
        for index, entry in self._entries:
            self._assembly.keep(place, entry.start)  # the end of an archive before it, if there is one
            self._member(index, entry)
            place = entry.end
        self._assembly.keep(place, self._segment.tail)
        if self._number == len(self._plan.archive.segments) - 1:
            for change in self._plan.new:
                self._put(change)
        self._assembly.keep(self._segment.tail, self._end())
        self._assembly.settle()

    def _end(self) -> int:
        plain = self._segment.packing is Packing.NONE
        return self._segment.end if plain else self._segment.plain.stat().st_size

    def _member(self, index: int, entry: Entry) -> None:
        change = None if entry.path is None else self._plan.changes.get(entry.path)
        if change is not None:
            if self._plan.last[change.path] == index:
                self._put(change, entry.name)
        elif index in self._plan.heirs:
            whole = self._plan.heirs[index]
            self._head(replace(entry.header, filesize=whole.header.filesize, check=whole.header.check), entry.name)
            self._assembly.keep(whole.data, whole.data + whole.header.filesize)
            self._assembly.fill(4)
        else:
            self._assembly.keep(entry.start, entry.end)

    def _put(self, change: Change, name: bytes = b"") -> None:
        if change.kind is Kind.MISSING:
            return
        mode = _TYPES[change.kind] | (0o777 if change.kind is Kind.LINK else change.mode)
        links = 2 if change.kind is Kind.DIRECTORY else 1
        size = 0 if change.kind is Kind.DIRECTORY else change.size
        check = _sum(change) if self._segment.magic == _SUMMED and change.kind is Kind.FILE else 0
        name = name or self._prefix + change.path.encode("utf-8", "surrogateescape")
        self._head(Header(self._plan.inode, mode, 0, 0, links, self._when, size, 0, 0, 0, 0, 0, check), name)
        self._plan.inode += 1
        if change.kind is not Kind.DIRECTORY:
            self._assembly.add_content(change)
            self._assembly.fill(4)

    def _head(self, header: Header, name: bytes) -> None:
        self._assembly.add(packed_header(replace(header, namesize=len(name) + 1), self._segment.magic) + name + b"\0")
        self._assembly.fill(4)


def packed_header(header: Header, magic: bytes) -> bytes:
    """A header as it is written."""
    numbers = (header.ino, header.mode, header.uid, header.gid, header.nlink, header.mtime, header.filesize,
               header.devmajor, header.devminor, header.rdevmajor, header.rdevminor, header.namesize,
               header.check)  # fmt: skip
    raw = magic + b"".join(b"%08X" % (number & 0xFFFFFFFF) for number in numbers)
    assert len(raw) == HEADER
    return raw


def _sum(change: Change) -> int:
    """The sum of all bytes, as the second form of the format has it."""
    data = change.data if change.source is None else change.source.read_bytes()
    return sum(data) & 0xFFFFFFFF
