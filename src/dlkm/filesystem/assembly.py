# SPDX-License-Identifier: GPL-2.0-or-later
"""A file put together from stretches of another and new bytes, with a list of what was kept."""

from typing import BinaryIO

from dlkm.filesystem.change import Change
from dlkm.filesystem.copying import append_sparsely
from dlkm.filesystem.delta import Kept


class Assembly:
    """Writes to `sink` from where it stands; `source` is the old file."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._waiting = Kept(0, 0, 0)
        self.kept: list[Kept] = []

    @property
    def place(self) -> int:
        """How far the new file has come."""
        return self._sink.tell() + self._waiting.size

    def keep(self, start: int, end: int) -> None:
        """The old file's bytes from `start` to `end`; neighbours are copied in one go."""
        old, new, size = self._waiting.old, self._waiting.new, self._waiting.size
        if old + size == start and size:
            self._waiting = Kept(old, new, size + end - start)
            return
        self.settle()
        self._waiting = Kept(start, self._sink.tell(), end - start)

    def add(self, data: bytes) -> None:
        """New bytes."""
        self.settle()
        self._sink.write(data)

    def add_content(self, change: Change) -> None:
        """A new member's bytes."""
        self.settle()
        change.copy_to(self._sink)

    def add_file(self, stream: BinaryIO, start: int, size: int) -> None:
        """Bytes of another file."""
        self.settle()
        append_sparsely(stream, start, size, self._sink)

    def fill(self, alignment: int) -> None:
        """Zeroes up to a place that can be divided by this."""
        self.add(bytes(-self.place % alignment))

    def settle(self) -> None:
        """Copy what waits."""
        if self._waiting.size:
            append_sparsely(self._source, self._waiting.old, self._waiting.size, self._sink)
            self.kept.append(self._waiting)
        self._waiting = Kept(0, 0, 0)
