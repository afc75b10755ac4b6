# SPDX-License-Identifier: GPL-2.0-or-later
"""How depmod's files differ from those that depmod would write now: by what they say, not by their bytes.

Another version of kmod lays its indexes out in another order and words its comments otherwise; neither matters.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from dlkm.rootfs.auditrules import listed
from dlkm.rootfs.index import Index
from dlkm.rootfs.kmod import Loader
from dlkm.rootfs.modtree import module_of_path

# What modprobe itself reads: kmod the indexes, BusyBox the texts.
NEEDED = {
    Loader.KMOD: ("modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin",
                  "modules.builtin.alias.bin", "modules.softdep"),
    Loader.BUSYBOX: ("modules.dep", "modules.alias", "modules.symbols"),
}  # fmt: skip
_TEXTS = ("modules.dep", "modules.alias", "modules.symbols", "modules.softdep", "modules.devname")
# Indexes, and the text that says the same.
_INDEXES = {
    "modules.dep.bin": "modules.dep",
    "modules.alias.bin": "modules.alias",
    "modules.symbols.bin": "modules.symbols",
    "modules.builtin.bin": "",
    "modules.builtin.alias.bin": "",
}

TABLES = tuple(dict.fromkeys((*_TEXTS, *_INDEXES)))  # all that is compared here

Read = Callable[[str], bytes | None]


def missing(made: Mapping[str, bytes], read: Read, loader: Loader) -> tuple[str, ...]:
    """The files that modprobe needs, that depmod would make, and that are not there."""
    needed = NEEDED[Loader.KMOD if loader is Loader.NONE else loader]
    return tuple(name for name in needed if name in made and read(name) is None)


def differences(made: Mapping[str, bytes], read: Read, but: frozenset[str] = frozenset()) -> Iterator[str]:
    """In words, how the files that are there differ from those that depmod makes; MalformedError for a damaged one.

    `but` are modules of which depmod was not told here: nothing is said of them, nor of indexes.
    """
    told = False
    for name in _TEXTS:
        there = read(name)
        if there is not None and name in made and there != made[name]:
            for words in _of_text(name, made[name], there, but):
                told = True
                yield words
    for name, text in _INDEXES.items():
        there = read(name)
        if there is None or name not in made or there == made[name] or but or (told and text):
            continue
        expected, found = _index(made[name], name), _index(there, name)
        if expected != found:
            number = len(expected ^ found)
            names = sorted({key for key, _ in expected ^ found})
            yield f"{name} differs in {number} {'entries' if number > 1 else 'entry'} ({listed(names, 3)})"


def _index(data: bytes, name: str) -> set[tuple[str, str]]:
    return set(Index(data, name).items()) if data else set()


def _of_text(name: str, made: bytes, there: bytes, but: frozenset[str]) -> Iterator[str]:
    if name == "modules.dep":
        yield from _of_dep(_dep(made, but), _dep(there, but))
        return
    expected, found = _lines(made, but), _lines(there, but)
    lacks, left = expected - found, found - expected
    what = {"modules.alias": "aliases", "modules.symbols": "symbols", "modules.softdep": "softdeps"}.get(name, "lines")
    if lacks:
        yield f"{name} lacks {len(lacks)} {what} ({listed(_subjects(lacks), 3)})"
    if left:
        yield f"{name} has {len(left)} {what} too many ({listed(_subjects(left), 3)})"


def _of_dep(expected: Mapping[str, frozenset[str]], found: Mapping[str, frozenset[str]]) -> Iterator[str]:
    lacks, left = expected.keys() - found.keys(), found.keys() - expected.keys()
    if lacks:
        yield f"modules.dep does not list {listed(sorted(lacks), 3)}"
    if left:
        yield f"modules.dep lists {listed(sorted(left), 3)}, which depmod would not take"
    others = sorted(path for path in expected.keys() & found.keys() if expected[path] != found[path])
    if others:
        yield f"modules.dep has other dependencies for {listed(others, 3)}"


def _dep(data: bytes, but: frozenset[str]) -> dict[str, frozenset[str]]:
    rows = (line.partition(":") for line in _text(data).split("\n") if line)
    return {
        path: frozenset(one for one in needs.split() if module_of_path(one) not in but)
        for path, _, needs in rows
        if module_of_path(path) not in but
    }


def _lines(data: bytes, but: frozenset[str]) -> set[str]:
    lines = {line for line in _text(data).split("\n") if line and not line.startswith("#")}
    return {line for line in lines if but.isdisjoint(line.split())} if but else lines


def _subjects(lines: Collection[str]) -> list[str]:
    """What lines are about: the module that an alias or symbol is of, else the line's second word."""
    words = (line.split() for line in lines)
    return sorted({one[2] if one[0] == "alias" and len(one) > 2 else one[min(1, len(one) - 1)] for one in words})


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
