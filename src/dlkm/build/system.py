# SPDX-License-Identifier: GPL-2.0-or-later
"""This machine's programs and a kernel's directories as bubblewrap's arguments, for every sandbox. Writes nothing."""

import re
from collections.abc import Iterator
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.core.data import data_table

if TYPE_CHECKING:
    from dlkm.build.kerneltree import KernelTree

TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_LIBRARY, _ASIDE = "usr/lib", "/usr/.lib"  # beside it: what a relative link there leads to is found from both


def programs(host: Path) -> Iterator[str]:
    """Programs and libraries, /usr merged or not, without the directories that belong to this machine's kernels.

    bubblewrap 0.8 has no overlays: what surrounds a place that is left out is put together piece by piece.
    """
    yield from _children(host, "usr", without=("src", "lib"))
    yield from _library(host)
    for name in TOP:
        if name == "lib" and not (host / name).is_symlink():
            yield from _children(host, name, without=("modules",))
        else:
            yield from entry(host / name, f"/{name}")


def _library(host: Path) -> Iterator[str]:
    """/usr/lib: links into the whole of it, which lies aside, and mounts of what has to lie in its own place."""
    if not (host / _LIBRARY).is_dir():
        return
    yield from ("--ro-bind", str(host / _LIBRARY), _ASIDE)
    for path in sorted((host / _LIBRARY).iterdir()):
        if path.name == "modules" or path.name.startswith("linux-kbuild-"):
            yield from ("--tmpfs", f"{_ASIDE}/{path.name}") if path.is_dir() and not path.is_symlink() else ()
        elif path.is_symlink() or _own_path().fullmatch(path.name):
            yield from entry(path, f"/{_LIBRARY}/{path.name}")
        else:
            yield from ("--symlink", f"..{_ASIDE.removeprefix('/usr')}/{path.name}", f"/{_LIBRARY}/{path.name}")


@cache
def _own_path() -> re.Pattern[str]:
    return re.compile("|".join(map(translate, data_table("toolchain.toml")["host"]["own_path"])))


def _children(host: Path, folder: str, *, without: tuple[str, ...]) -> Iterator[str]:
    """What lies in a directory, but for the names given."""
    for path in sorted((host / folder).iterdir()) if (host / folder).is_dir() else ():
        if path.name not in without:
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
