# SPDX-License-Identifier: GPL-2.0-or-later
"""What the packages of a recipe's build hold beside modules: configuration, rules, firmware. Reads their index only."""

from collections.abc import Iterator
from dataclasses import dataclass

from dlkm.build.result import Cell
from dlkm.core.names import is_module_file
from dlkm.package.store import read_packages
from dlkm.package.systems import is_for_developers
from dlkm.rootfs.plan import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """One file or link that goes into the root beside the modules; `path` is relative to the root."""

    path: str
    content: Content


def extras_of(cell: Cell) -> Iterator[Extra]:
    """The files of a build's packages, but modules, which have a place of their own, and what only developers need."""
    if cell.log is None:
        return
    for package in read_packages(cell.log.parent):
        if is_for_developers(package.name):
            continue
        for file in package.files:
            if is_module_file(file.path.rpartition("/")[2]):
                continue
            if file.link is not None:
                yield Extra(path=file.path[1:], content=Content.to(file.link))
            elif file.source is not None:
                yield Extra(path=file.path[1:], content=Content.of(file.source, file.mode))
