# SPDX-License-Identifier: GPL-2.0-or-later
"""Which sources give symbols to which, read off their text, and the order that follows. Builds nothing.

What a source says itself of others counts too: a dkms.conf's BUILD_DEPENDS, a recipe's DEPENDS.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.source.dkms import CONF, depends_in, names_in
from dlkm.source.driver import Driver, Style
from dlkm.source.leftovers import left_out

SUFFIXES = (".c", ".h", ".S", ".inc", ".rs")
FILE_LIMIT = 8 << 20  # bytes of one file; the longest real one (a register table) has five million
TOTAL_LIMIT = 512 << 20  # bytes of one source
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


Texts = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One of several sources. `asks` says whom it names itself, by path, and in which words ("says DEPENDS=")."""

    name: str
    path: Path
    is_recipe: bool = False
    texts: Texts = field(compare=False, repr=False)
    asks: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One source needs another: the symbols that say so; none where only its own `words` do."""

    giver: Member
    symbols: tuple[str, ...]
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Sources that need each other in a circle, the first once more as the last; `links[n]` leads from n to n + 1."""

    members: tuple[Member, ...]
    links: tuple[Link, ...]

    def __str__(self) -> str:
        """`a → b → a: a cycle: a uses b_call, b_more of b, b uses a_call of a: …`."""
        pairs = zip(self.members, self.links, strict=False)
        why = ", ".join(f"{user.name} {_why(link)}{link.giver.name}" for user, link in pairs)
        names = " → ".join(member.name for member in self.members)
        return f"{names}: a cycle: {why}: such modules need one Kbuild that makes them all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Sources after those whose symbols they use. `givers` has each one's, by path; `rings` the cycles found."""

    members: tuple[Member, ...]
    givers: Mapping[Path, tuple[Member, ...]]
    rings: tuple[Ring, ...] = ()


_NAMED = 4  # symbols of a link that are worth naming


def _why(link: Link) -> str:
    if not link.symbols:
        return link.words
    more = len(link.symbols) - _NAMED
    return f"uses {', '.join(link.symbols[:_NAMED])}{f' and {more} more' if more > 0 else ''} of "


def in_order(members: Sequence[Member]) -> Order:
    """The order in which sources are to be built; in a ring, the order given.

    A name that is exported by one and occurs in another counts as used: that only moves it further back. What a source
    says itself goes before that: whom it names needs nothing of it.
    """
    if len(members) < 2:
        return Order(members=tuple(members), givers={member.path: () for member in members})
    exports, words = {}, {}
    for member in members:
        exports[member.path], words[member.path] = _names(member.texts())
    everything = frozenset[bytes]().union(*exports.values())
    asked = _all_asked(members)
    links = {}
    for member in members:
        used = _used(member.texts, (words[member.path] & everything) - exports[member.path])
        links[member.path] = tuple(
            _links(member, members, {path: used & names for path, names in exports.items()}, asked)
        )
    return _sorted(members, links)


def _links(
    member: Member,
    members: Sequence[Member],
    used: Mapping[Path, frozenset[bytes]],
    asked: Mapping[Path, frozenset[Path]],
) -> Iterator[Link]:
    """Whom one needs; of several that export the same (a driver and its own recipe) one gives it, or modpost refuses.

    That is whom it names itself, else one of its kind, else the first.
    """
    taken: frozenset[bytes] = frozenset()
    for one in sorted(members, key=lambda one: (one.path not in member.asks, one.is_recipe != member.is_recipe)):
        fresh = bool(used[one.path] - taken) and member.path not in asked[one.path]
        if one is not member and (one.path in member.asks or fresh):
            taken |= used[one.path]
            yield Link(giver=one, symbols=_text_of(used[one.path]), words=member.asks.get(one.path, ""))


def _text_of(names: Collection[bytes]) -> tuple[str, ...]:
    return tuple(sorted(name.decode() for name in names))


def _all_asked(members: Sequence[Member]) -> Mapping[Path, frozenset[Path]]:
    """Whom each names itself, whom those name, and so on."""
    asks = {member.path: frozenset(member.asks) for member in members}
    for _round in members:
        asks = {path: found.union(*(asks.get(one, frozenset()) for one in found)) for path, found in asks.items()}
    return asks


def members_of(drivers: Sequence[Driver]) -> tuple[Member, ...]:
    """Drivers as sources among others; BUILD_DEPENDS counts as far as the text of a dkms.conf tells."""
    confs = [driver for driver in drivers if driver.style is Style.DKMS]
    said = {driver.path: _said(driver.path / CONF) for driver in confs}
    return tuple(
        Member(
            name=driver.name,
            path=driver.path,
            texts=partial(texts_below, driver.path),
            asks={
                one.path: "says BUILD_DEPENDS="
                for one in confs
                if driver.path in said and said[one.path][0] in said[driver.path][1]
            },
        )
        for driver in drivers
    )


def _said(conf: Path) -> tuple[str, frozenset[str]]:
    """A dkms.conf's package and whom it needs; nothing of one that cannot be read, which fails when it is built."""
    try:
        return names_in(conf)[0], depends_in(conf)
    except MalformedError:
        return "", frozenset()


def _sorted(members: Sequence[Member], links: Mapping[Path, tuple[Link, ...]]) -> Order:
    """Depth first; who is met again on the way down closes a ring, and gives nothing there."""
    done: dict[Path, Member] = {}
    kept: dict[Path, tuple[Member, ...]] = {}
    rings: list[Ring] = []

    def visit(way: tuple[Member, ...], steps: tuple[Link, ...]) -> None:
        member, before = way[-1], []
        for link in links[member.path]:
            if link.giver in way:
                start = way.index(link.giver)
                rings.append(Ring(members=(*way[start:], link.giver), links=(*steps[start:], link)))
                continue
            if link.giver.path not in done:
                visit((*way, link.giver), (*steps, link))
            before.append(link.giver)
        kept[member.path] = tuple(before)
        done[member.path] = member

    for member in members:
        if member.path not in done:
            visit((member,), ())
    return Order(members=tuple(done.values()), givers=kept, rings=tuple(rings))


def _names(texts: Iterator[bytes]) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """What a source exports, and all words that occur in it."""
    exports: set[bytes] = set()
    words: set[bytes] = set()
    for text in texts:
        words.update(text.translate(_WORD).split())
        if b"EXPORT_SYMBOL" in text:
            exports.update(_EXPORT.findall(text))
    return frozenset(exports), frozenset(words)


def _used(texts: Texts, names: Collection[bytes]) -> frozenset[bytes]:
    """Those of the names that the code uses, and has not for itself."""
    if not names:
        return frozenset()
    pattern = re.compile(rb"\b(?:" + b"|".join(map(re.escape, sorted(names))) + rb")\b")
    found: set[bytes] = set()
    own: set[bytes] = set()
    for text in texts():
        if pattern.search(text) is None:
            continue
        code = _UNREAD.sub(b" ", text)
        met = set(pattern.findall(code))
        found |= met
        own |= {name for name in met if re.search(_OWN % name, code, re.MULTILINE)}
    return frozenset(found - own)


def texts_below(root: Path) -> Iterator[bytes]:
    """The C files of a directory; what cannot be read is passed over."""
    left = TOTAL_LIMIT
    for place, folders, names in os.walk(root):
        out = left_out(Path(place), [*folders, *names])
        folders[:] = sorted(set(folders) - out)
        for name in sorted(set(names) - out):
            path = Path(place) / name
            if left <= 0 or not name.endswith(SUFFIXES) or not path.is_file() or path.is_symlink():
                continue
            try:
                with path.open("rb") as stream:
                    text = stream.read(FILE_LIMIT)
            except OSError:
                continue
            left -= len(text)
            yield text
