# SPDX-License-Identifier: GPL-2.0-or-later
"""Which drivers give symbols to which, read off their sources' text, and the order that follows. Builds nothing.

A dkms.conf's BUILD_DEPENDS counts too, where it names a package that is among the drivers.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.source.dkms import CONF, depends_in, names_in
from dlkm.source.driver import Driver, Style
from dlkm.source.leftovers import left_out

_SUFFIXES = (".c", ".h", ".S", ".inc", ".rs")
_FILE_LIMIT = 8 << 20  # bytes of one file; the longest real one (a register table) has five million
_TOTAL_LIMIT = 512 << 20  # bytes of one driver
_EXPORT = re.compile(rb"\bEXPORT_SYMBOL(?:_GPL|_NS|_NS_GPL|_FOR_MODULES)?\s*\(\s*([A-Za-z_]\w*)\s*[,)]")


# What is no use of a symbol: words in comments, texts and includes, members of structures, names of parameters.
_UNREAD = re.compile(
    rb"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'|^\s*#\s*include[^\n]*"
    rb"|(?:->|\.)\s*[A-Za-z_]\w*|\b(?:module_param\w*|MODULE_PARM_DESC)\s*\(\s*\w+",
    re.DOTALL | re.MULTILINE,
)
# `static int NAME = …;`, a member `bool NAME;`: a name that the driver has for itself. `extern` says that it has not.
_OWN = rb"(?:^|[;{}])\s*(?!extern\b|return\b|goto\b|#)(?:[A-Za-z_]\w*\s+)+\**\s*%s\s*(?:\[[^\]]*\]\s*)?[;=:]"
_WORD = bytes(letter if re.match(rb"\w", bytes([letter])) else ord(" ") for letter in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One driver needs another: the symbols that say so, none where only BUILD_DEPENDS does."""

    giver: Driver
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Drivers that need each other in a circle, the first once more as the last; `links[n]` leads from n to n + 1."""

    drivers: tuple[Driver, ...]
    links: tuple[Link, ...]

    def __str__(self) -> str:
        """`a uses b_call, b_more of b, b uses a_call of a`."""
        pairs = zip(self.drivers, self.links, strict=False)
        return ", ".join(f"{user.name} {_why(link)}{link.giver.name}" for user, link in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Drivers after those whose symbols they use. `givers` has each driver's, by path; `rings` the cycles found."""

    drivers: tuple[Driver, ...]
    givers: Mapping[Path, tuple[Driver, ...]]
    rings: tuple[Ring, ...] = ()


_NAMED = 4  # symbols of a link that are worth naming


def _why(link: Link) -> str:
    if not link.symbols:
        return "says BUILD_DEPENDS="
    more = len(link.symbols) - _NAMED
    return f"uses {', '.join(link.symbols[:_NAMED])}{f' and {more} more' if more > 0 else ''} of "


def in_order(drivers: Sequence[Driver]) -> Order:
    """The order in which drivers are to be built; in a ring, the order given.

    A name that is exported by one and occurs in another counts as used: that only moves it further back.
    """
    if len(drivers) < 2:
        return Order(drivers=tuple(drivers), givers={driver.path: () for driver in drivers})
    exports, words = {}, {}
    for driver in drivers:
        exports[driver.path], words[driver.path] = _names(driver.path)
    everything = frozenset[bytes]().union(*exports.values())
    asked = _asked(drivers)
    links = {}
    for driver in drivers:
        used = _used(driver.path, (words[driver.path] & everything) - exports[driver.path])
        needed = ((one, used & exports[one.path]) for one in drivers if one is not driver)
        links[driver.path] = tuple(
            Link(giver=one, symbols=tuple(sorted(name.decode() for name in names)))
            for one, names in needed
            if names or one in asked.get(driver.path, ())
        )
    return _sorted(drivers, links)


def _asked(drivers: Sequence[Driver]) -> Mapping[Path, tuple[Driver, ...]]:
    """Whom BUILD_DEPENDS names, as far as the text of a dkms.conf tells."""
    confs = [driver for driver in drivers if driver.style is Style.DKMS]
    packages = {driver.path: names_in(driver.path / CONF)[0] for driver in confs}
    return {
        driver.path: tuple(one for one in confs if packages[one.path] in depends_in(driver.path / CONF))
        for driver in confs
    }


def _sorted(drivers: Sequence[Driver], links: Mapping[Path, tuple[Link, ...]]) -> Order:
    """Depth first; who is met again on the way down closes a ring, and gives nothing there."""
    done: dict[Path, Driver] = {}
    kept: dict[Path, tuple[Driver, ...]] = {}
    rings: list[Ring] = []

    def visit(way: tuple[Driver, ...], steps: tuple[Link, ...]) -> None:
        driver, before = way[-1], []
        for link in links[driver.path]:
            if link.giver in way:
                start = way.index(link.giver)
                rings.append(Ring(drivers=(*way[start:], link.giver), links=(*steps[start:], link)))
                continue
            if link.giver.path not in done:
                visit((*way, link.giver), (*steps, link))
            before.append(link.giver)
        kept[driver.path] = tuple(before)
        done[driver.path] = driver

    for driver in drivers:
        if driver.path not in done:
            visit((driver,), ())
    return Order(drivers=tuple(done.values()), givers=kept, rings=tuple(rings))


def _names(root: Path) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """What a driver exports, and all words that occur in it."""
    exports: set[bytes] = set()
    words: set[bytes] = set()
    for text in _texts(root):
        words.update(text.translate(_WORD).split())
        if b"EXPORT_SYMBOL" in text:
            exports.update(_EXPORT.findall(text))
    return frozenset(exports), frozenset(words)


def _used(root: Path, names: Collection[bytes]) -> frozenset[bytes]:
    """Those of the names that the code uses, and has not for itself."""
    if not names:
        return frozenset()
    pattern = re.compile(rb"\b(?:" + b"|".join(map(re.escape, sorted(names))) + rb")\b")
    found: set[bytes] = set()
    own: set[bytes] = set()
    for text in _texts(root):
        if pattern.search(text) is None:
            continue
        code = _UNREAD.sub(b" ", text)
        met = set(pattern.findall(code))
        found |= met
        own |= {name for name in met if re.search(_OWN % name, code, re.MULTILINE)}
    return frozenset(found - own)


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
