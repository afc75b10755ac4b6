# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose kernel it is, told by its release and where it came from: data/eras.toml, [distro]. Reads no file of it."""

import re
import tomllib
from functools import cache
from importlib.resources import files


def distribution_of(release: str, origin: str) -> str:
    """The distribution's name as the tables have it ("debian"); "" where nothing tells."""
    for name, (start, pattern) in _known().items():
        if origin.startswith(start) or pattern.search(release):
            return name
    return ""


@cache
def _known() -> dict[str, tuple[str, re.Pattern[str]]]:
    table = tomllib.loads(files("dlkm.data").joinpath("eras.toml").read_text("utf-8"))["distro"]
    return {name: (entry["origin"], re.compile(entry["release"])) for name, entry in table.items()}
