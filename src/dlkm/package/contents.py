# SPDX-License-Identifier: GPL-2.0-or-later
"""What a package holds: modules and the release they are for. Judges by paths alone."""

import re
from collections.abc import Iterator

from dlkm.core.names import is_module_file, is_release
from dlkm.package.package import Package, PackageFile

_TREE = re.compile(r"/(?:usr/)?lib/modules/([^/]+)/(.+)", re.DOTALL)


def module_files(package: Package) -> Iterator[PackageFile]:
    """Its modules; what debuggers need of one (.debug) is none."""
    for file in package.files:
        if lies_in_tree(file) and is_module_file(file.path) and "/.debug/" not in file.path:
            yield file


def lies_in_tree(file: PackageFile) -> bool:
    """Whether it lies below a modules directory, so that each kernel has its own."""
    return _place(file) is not None


def _place(file: PackageFile) -> tuple[str, str] | None:
    """The release and the path below its directory."""
    match = _TREE.fullmatch(file.path)
    return (match[1], match[2]) if match is not None and is_release(match[1]) else None


def folders_in_tree(package: Package) -> tuple[str, ...]:
    """The directories below a kernel's own that its files lie in: no package of the kernel brings them."""
    found: dict[str, None] = {}
    for file in package.files:
        place = _place(file)
        parts = place[1].split("/") if place is not None else []
        base = file.path.removesuffix("/".join(parts))
        found |= dict.fromkeys(base + "/".join(parts[:length]) for length in range(1, len(parts)))
    return tuple(found)


def releases_of(package: Package) -> tuple[str, ...]:
    """The releases that its modules lie below."""
    found = (_place(file) for file in module_files(package))
    return tuple(dict.fromkeys(place[0] for place in found if place is not None))


def holds_code(package: Package) -> bool:
    """Whether a file of it is an ELF file, compressed modules included."""
    return any(is_module_file(file.path) or file.read()[:4] == b"\x7fELF" for file in package.files)
