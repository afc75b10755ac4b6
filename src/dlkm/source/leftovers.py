# SPDX-License-Identifier: GPL-2.0-or-later
"""What in a source directory is no source: version control, and what an earlier Kbuild run left. Removes nothing."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from pathlib import Path

from dlkm.core.data import data_table

RECORD = "build.json"  # what marks a build's output directory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    folders: frozenset[str]
    version_control: frozenset[str]
    product: re.Pattern[str]


@cache
def _table() -> _Table:
    table = data_table("kbuild.toml")["leftovers"]
    return _Table(
        folders=frozenset(table["folders"]),
        version_control=frozenset(table["version_control"]),
        product=re.compile("|".join(translate(pattern) for pattern in table["files"])),
    )


def left_out(folder: Path, names: Collection[str]) -> frozenset[str]:
    """Those of the names in a directory that are not to be copied."""
    table, present = _table(), set(names)
    out = {name for name in present if name in table.version_control or table.product.match(name)}
    out |= present & table.folders
    for name in present:
        if name.endswith(".mod") and present & {f"{name}.c", f"{name[:-4]}.o", f"{name[:-4]}.ko"}:
            out.add(name)
        elif name.endswith(".cmd") and name.startswith(".") and _by_kbuild(folder / name):
            out |= {name, name[1:-4]}
        elif "@" in name and (folder / name / RECORD).is_file():
            out.add(name)
    return frozenset(out)


def _by_kbuild(path: Path) -> bool:
    """Whether Kbuild wrote this `.X.cmd`: vendors ship empty ones beside binary objects, which must stay."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(64).lstrip().startswith((b"cmd_", b"savedcmd_"))
    except OSError:
        return False
