# SPDX-License-Identifier: GPL-2.0-only
"""SRC_URI on this side of the network: what must lie beside the recipe, and unpacking what was fetched."""

import os
from pathlib import Path
from typing import Any

import bb
import bb.fetch2

from oe import recipe


def urls_of(d: Any) -> list[str]:
    """The words of SRC_URI."""
    return (d.getVar("SRC_URI") or "").split()


def check_local(d: Any) -> None:
    """All file:// entries are there, else say where they were looked for; what is remote was fetched before."""
    local = [url for url in urls_of(d) if url.startswith("file://")]
    if not local:
        return
    try:
        fetcher = bb.fetch2.Fetch(local, d)
        for url in local:
            data = fetcher.ud[url]
            data.setup_localpath(d)
            if not os.path.exists(data.localpath):
                recipe.FAILURE["kind"] = "fetch"
                places = "".join(f"\n  {folder}" for folder in _searched(d))
                said = f"no such file beside the recipe; looked for in:{places}"
                bb.fatal(f"{recipe.where_named(d, url)}{url}: {said}")
    except bb.fetch2.BBFetchException as error:
        bb.fatal(str(error))


def _searched(d: Any) -> list[str]:
    """Of FILESPATH what is there, and the directories without an override, which a recipe would use first of all."""
    folders = (d.getVar("FILESPATH") or "").split(":")
    return [folder.rstrip("/") for folder in folders if folder.endswith("/") or os.path.isdir(folder)]


def unpack(d: Any) -> None:
    """Lay all of SRC_URI into UNPACKDIR, and make older and newer layouts find it."""
    urls = urls_of(d)
    target = d.getVar("UNPACKDIR")
    try:
        if urls:
            bb.fetch2.Fetch(urls, d).unpack(target)
    except bb.fetch2.BBFetchException as error:
        bb.fatal(str(error))
    _other_layouts(d, Path(d.getVar("WORKDIR")), Path(target))


def _other_layouts(d: Any, work: Path, unpacked: Path) -> None:
    """Links where recipes of other releases look: WORKDIR/sources, WORKDIR/git, and files directly in WORKDIR."""
    git = unpacked / d.getVar("BB_GIT_DEFAULT_DESTSUFFIX")
    if unpacked != work:
        for path in sorted(unpacked.iterdir()):
            _link(work / path.name, path)
    for name in ("sources", "sources-unpack"):
        _link(work / name, unpacked)
    if (git / ".git").exists():
        _link(unpacked / "git", git)
        _link(work / "git", git)
        _link(unpacked / d.getVar("BP"), git)
        _link(Path(d.getVar("S")), git)


def _link(place: Path, target: Path) -> None:
    if os.path.lexists(place) or not place.parent.is_dir():
        return
    place.symlink_to(os.path.relpath(target, place.parent))
