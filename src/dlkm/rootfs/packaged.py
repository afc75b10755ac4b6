# SPDX-License-Identifier: GPL-2.0-or-later
"""What packages hold: modules in the places they have there, and beside them configuration, rules, firmware."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkm.build.result import Cell
from dlkm.core.names import is_module_file, is_release
from dlkm.package.package import Package, PackageFile
from dlkm.package.store import read_packages
from dlkm.package.systems import is_for_developers
from dlkm.rootfs.plan import Content

_MODULE = re.compile(r"/(?:usr/)?lib/modules/([^/]+)/(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """One file or link that goes into the root beside the modules; `path` is relative to the root.

    `is_configuration`: a package marks it as a file that administrators change.
    """

    path: str
    content: Content
    is_configuration: bool = False


def extras_of(cell: Cell) -> Iterator[Extra]:
    """The files of a build's packages, but modules, which have a place of their own, and what only developers need."""
    if cell.log is None:
        return
    for package in read_packages(cell.log.parent):
        if is_for_developers(package.name):
            continue
        for file in package.files:
            if not is_module_file(file.path.rpartition("/")[2]):
                yield _extra(file, package)


def modules_in(package: Package) -> Iterator[tuple[PackageFile, str, str]]:
    """A package's modules that lie where kmod looks: the file, the release, the path below its modules directory."""
    for file in package.files:
        match = _MODULE.fullmatch(file.path)
        if match is not None and is_release(match[1]) and is_module_file(match[2]) and file.source is not None:
            yield file, match[1], match[2]


def extras_in(package: Package) -> Iterator[Extra]:
    """All else that a package holds, as its package manager would install it."""
    modules = {file.path for file, _release, _place in modules_in(package)}
    for file in package.files:
        if file.path not in modules:
            yield _extra(file, package)


def _extra(file: PackageFile, package: Package) -> Extra:
    content = Content.to(file.link) if file.link is not None else Content.of(_source(file), file.mode)
    return Extra(path=file.path[1:], content=content, is_configuration=file.path in package.conffiles)


def _source(file: PackageFile) -> Path:
    assert file.source is not None, "what is no link has bytes"
    return file.source
