# SPDX-License-Identifier: GPL-2.0-or-later
"""On RPM systems what holds no code is for all architectures, as rpm's checkers want it; those of a run become one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from dlkm.package.contents import holds_code
from dlkm.package.names import order
from dlkm.package.package import Scripts
from dlkm.package.ready import Ready
from dlkm.package.relations import parse, write

NOARCH = "noarch"


def for_all(ready: Iterable[Ready]) -> Iterator[Ready]:
    """The packages, those without code as noarch; several of a name stay as they are where one cannot serve for all."""
    groups: dict[str, list[Ready]] = {}
    for one in ready:
        groups.setdefault(one.package.name, []).append(one)
    for group in groups.values():
        newest = max(group, key=lambda one: order(one.release))
        depends = _each_has_its_own([one.package.depends for one in group])
        if any(holds_code(one.package) for one in group) or depends is None or not _alike(group):
            yield from group
        else:
            yield replace(newest, package=replace(newest.package, arch=NOARCH, depends=depends))


def _alike(group: Sequence[Ready]) -> bool:
    """Whether they hold the same; a script is for one kernel."""
    packages = [one.package for one in group]
    held = {(one.folders, *((file.path, file.mode, file.link, file.read()) for file in one.files)) for one in packages}
    return len(group) == 1 or (len(held) == 1 and all(one.scripts == Scripts() for one in packages))


def _each_has_its_own(depends: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Relations that each architecture can meet with what is for it alone; None where one of them has nothing such.

    What all need stays; of the rest the first of each are alternatives, the second, and so on.
    """
    shared = set[str](depends[0]).intersection(*depends)
    own = [[text for text in texts if text not in shared] for texts in depends]
    if not all(own) and any(own):
        return None
    longest = max(map(len, own))
    rows = zip(*([*texts, *texts[-1:] * (longest - len(texts))] for texts in own), strict=True)
    either = (write(tuple(dict.fromkeys(term for text in row for term in parse(text)))) for row in rows)
    return (*(text for text in depends[0] if text in shared), *either)
