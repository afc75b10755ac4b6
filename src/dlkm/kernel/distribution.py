# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose kernel it is, told by its release and where it came from: data/eras.toml, [distro]. Reads no file of it."""

import re
from functools import cache

from dlkm.core.data import data_table


def distribution_of(release: str, origin: str) -> str:
    """The distribution's name as the tables have it ("debian"); "" where nothing tells."""
    for name, (start, pattern) in _known().items():
        if origin.startswith(start) or pattern.search(release):
            return name
    return ""


@cache
def _known() -> dict[str, tuple[str, re.Pattern[str]]]:
    table = data_table("eras.toml")["distro"]
    return {name: (entry["origin"], re.compile(entry["release"])) for name, entry in table.items()}
