# SPDX-License-Identifier: GPL-2.0-or-later
"""This machine's programs and a kernel's directories as bubblewrap's arguments, for every sandbox. Writes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlkm.build.kerneltree import KernelTree

TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def programs(host: Path) -> Iterator[str]:
    """Programs and libraries, /usr merged or not, without the directories that belong to this machine's kernels.

    bubblewrap 0.8 has no overlays: what surrounds a place that is left out is mounted piece by piece.
    """
    yield from _children(host, "usr", without=("src", "lib"))
    yield from _children(host, "usr/lib", without=("modules", "linux-kbuild-"))
    for name in TOP:
        if name == "lib" and not (host / name).is_symlink():
            yield from _children(host, name, without=("modules",))
        else:
            yield from entry(host / name, f"/{name}")


def _children(host: Path, folder: str, *, without: tuple[str, ...]) -> Iterator[str]:
    """What lies in a directory, but for the names given; one that ends in '-' stands for all that begin so."""
    names = {name for name in without if not name.endswith("-")}
    prefixes = tuple(name for name in without if name.endswith("-"))
    for path in sorted((host / folder).iterdir()) if (host / folder).is_dir() else ():
        if path.name not in names and not (prefixes and path.name.startswith(prefixes)):
            yield from entry(path, f"/{folder}/{path.name}")


def entry(path: Path, place: str) -> tuple[str, ...]:
    """One file, directory or link, as it is here."""
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), place)
    return ("--ro-bind", str(path), place) if path.exists() else ()


def kernel_mounts(host: Path, tree: "KernelTree") -> Iterator[str]:
    """The kernel's directories and the links that lead to them, where a target has them."""
    for path, place in tree.binds:
        yield from ("--ro-bind", str(path), place)
    # A mount point is not looked for through links: with a merged /usr, /lib/modules is /usr/lib/modules.
    merged = (host / "lib").is_symlink()
    for text, place in tree.links:
        yield from ("--symlink", text, f"/usr{place}" if merged and place.startswith("/lib/") else place)
