# SPDX-License-Identifier: GPL-2.0-or-later
"""Which drivers give symbols to which, read off their sources' text, and the order that follows. Builds nothing."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.source.driver import Driver
from dlkm.source.leftovers import left_out

_SUFFIXES = (".c", ".h", ".S", ".inc", ".rs")
_FILE_LIMIT = 8 << 20  # bytes of one file; the longest real one (a register table) has five million
_TOTAL_LIMIT = 512 << 20  # bytes of one driver
_EXPORT = re.compile(rb"\bEXPORT_SYMBOL(?:_GPL|_NS|_NS_GPL|_FOR_MODULES)?\s*\(\s*([A-Za-z_]\w*)\s*[,)]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Drivers after those whose symbols they use. `givers` has each driver's, by path; `rings` the cycles found."""

    drivers: tuple[Driver, ...]
    givers: Mapping[Path, tuple[Driver, ...]]
    rings: tuple[tuple[Driver, ...], ...] = ()


def in_order(drivers: Sequence[Driver]) -> Order:
    """The order in which drivers are to be built; in a ring, the order given.

    A name that is exported by one and occurs in another counts as used: that only moves it further back.
    """
    exports = {driver.path: _exports(driver.path) for driver in drivers} if len(drivers) > 1 else {}
    if not any(exports.values()):
        return Order(drivers=tuple(drivers), givers={driver.path: () for driver in drivers})
    everything = frozenset[bytes]().union(*exports.values())
    givers = {}
    for driver in drivers:
        used = _used(driver.path, everything) - exports[driver.path]
        givers[driver.path] = tuple(one for one in drivers if one is not driver and used & exports[one.path])
    return _sorted(drivers, givers)


def _sorted(drivers: Sequence[Driver], givers: Mapping[Path, tuple[Driver, ...]]) -> Order:
    """Depth first; who is met again on the way down closes a ring, and gives nothing there."""
    done: dict[Path, Driver] = {}
    kept: dict[Path, tuple[Driver, ...]] = {}
    rings: list[tuple[Driver, ...]] = []

    def visit(driver: Driver, way: tuple[Driver, ...]) -> None:
        before = []
        for giver in givers[driver.path]:
            if giver in way:
                rings.append((*way[way.index(giver) :], giver))
                continue
            if giver.path not in done:
                visit(giver, (*way, giver))
            before.append(giver)
        kept[driver.path] = tuple(before)
        done[driver.path] = driver

    for driver in drivers:
        if driver.path not in done:
            visit(driver, (driver,))
    return Order(drivers=tuple(done.values()), givers=kept, rings=tuple(rings))


def _exports(root: Path) -> frozenset[bytes]:
    return frozenset(name for text in _texts(root) if b"EXPORT_SYMBOL" in text for name in _EXPORT.findall(text))


def _used(root: Path, names: Collection[bytes]) -> frozenset[bytes]:
    pattern = re.compile(rb"\b(?:" + b"|".join(map(re.escape, sorted(names))) + rb")\b")
    return frozenset(found for text in _texts(root) for found in pattern.findall(text))


def _texts(root: Path) -> Iterator[bytes]:
    """The C files of a driver; what cannot be read is passed over."""
    left = _TOTAL_LIMIT
    for place, folders, names in os.walk(root):
        out = left_out(Path(place), [*folders, *names])
        folders[:] = sorted(set(folders) - out)
        for name in sorted(set(names) - out):
            path = Path(place) / name
            if left <= 0 or not name.endswith(_SUFFIXES) or not path.is_file() or path.is_symlink():
                continue
            try:
                with path.open("rb") as stream:
                    text = stream.read(_FILE_LIMIT)
            except OSError:
                continue
            left -= len(text)
            yield text
