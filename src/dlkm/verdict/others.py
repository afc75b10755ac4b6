# SPDX-License-Identifier: GPL-2.0-or-later
"""The other kernels at hand: whose symbol versions a module has, who exports a symbol. Asked only when a load fails."""

import os
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from dlkm.core.arch import Arch
from dlkm.core.errors import DlkmError
from dlkm.core.files import open_regular
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.symvers import LIMIT, KernelSymbol, Symvers

KERNELS = 64  # looked at; the newest of more
_ROWS = re.compile(rb"^0x[0-9a-f]{8}\t[^\t\r\n]+", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How many of `total` symbol versions are a kernel's own."""

    kernel: str
    release: str
    agreeing: int
    total: int

    @property
    def exact(self) -> bool:
        """Whether all are."""
        return self.agreeing == self.total


class Others:
    """Kernels that have a Module.symvers. Each is read once, and kept as 200 kB of numbers.

    `kernels` is called when the first question is asked: it may have to look into a pool.
    """

    def __init__(self, kernels: Callable[[], Iterable[Kernel]]) -> None:
        self._source = kernels
        self._rows: dict[str, array[int]] = {}

    def closest(self, versions: Mapping[str, int], asked: Kernel, built: str = "") -> Match | None:
        """The kernel of `asked`'s architecture that most of these versions are of; None when none shares any.

        The one of the release `built` is looked at first, and the search ends at the first that has them all. Another
        copy of `asked` itself is none that is near.
        """
        wanted = [
            hash(b"0x%08x\t%s" % (crc, name.encode("utf-8", "surrogateescape"))) for name, crc in versions.items()
        ]
        best: Match | None = None
        for kernel in sorted(self._like(asked), key=lambda one: (one.release != built, one.is_copy)):
            agreeing = sum(_has(self._rows_of(kernel), row) for row in wanted)
            match = Match(kernel=kernel.id, release=kernel.release, agreeing=agreeing, total=len(wanted))
            if match.exact and wanted:
                return match
            if kernel.release != asked.release and agreeing > (best.agreeing if best is not None else 0):
                best = match
        return best

    def rows(self, symbols: Iterable[str], asked: Kernel) -> dict[str, dict[str, KernelSymbol]]:
        """The exports of these names by the other kernels of `asked`'s architecture: by symbol, then by kernel.

        A copy of a kernel that gives the same is left out.
        """
        found: dict[str, dict[str, KernelSymbol]] = {symbol: {} for symbol in symbols}
        seen: set[tuple[str, KernelSymbol]] = set()
        for kernel in sorted(self._like(asked), key=lambda one: one.is_copy):
            data = _bytes_of(kernel)
            for symbol, givers in found.items():
                row = _row(data, symbol)
                if row is not None and (kernel.release, row) not in seen:
                    seen.add((kernel.release, row))
                    givers[kernel.id] = row
        return found

    def _like(self, asked: Kernel) -> Iterator[Kernel]:
        arch: Arch = asked.arch
        return (kernel for kernel in self._kernels if kernel.arch.name == arch.name and kernel.id != asked.id)

    @cached_property
    def _kernels(self) -> tuple[Kernel, ...]:
        try:
            found = {kernel.id: kernel for kernel in self._source() if kernel.symvers is not None}
        except (DlkmError, OSError):  # a pool that cannot be read only makes the answer shorter
            return ()
        return tuple(found.values())[-KERNELS:]

    def _rows_of(self, kernel: Kernel) -> "array[int]":
        """The rows as sorted hashes: a set of the texts would take twenty times the memory."""
        known = self._rows.get(kernel.id)
        if known is None:
            known = self._rows[kernel.id] = array("q", sorted(map(hash, _ROWS.findall(_bytes_of(kernel)))))
        return known


def _has(rows: "array[int]", row: int) -> bool:
    place = bisect_left(rows, row)
    return place < len(rows) and rows[place] == row


def _row(data: bytes, symbol: str) -> KernelSymbol | None:
    place = data.find(b"\t%s\t" % os.fsencode(symbol))
    if place < 0:
        return None
    start, end = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place)
    line = data[start : end if end >= 0 else None].decode("utf-8", "surrogateescape")
    try:
        return Symvers.parse(line).symbols.get(symbol)
    except DlkmError:
        return None


def _bytes_of(kernel: Kernel) -> bytes:
    """Its Module.symvers; empty when it cannot be read."""
    if kernel.symvers is None:
        return b""
    try:
        with open_regular(kernel.symvers) as stream:
            return stream.read(LIMIT)
    except (OSError, DlkmError):
        return b""
