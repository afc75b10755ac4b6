# SPDX-License-Identifier: GPL-2.0-only
"""The .modinfo of a built module, read by dlkm's own reader."""

from pathlib import Path

from dlkm.ko.module import read_module


def read_modinfo(path: Path) -> dict[str, list[str]]:
    """Each key with all its values, in their order."""
    found: dict[str, list[str]] = {}
    for key, value in read_module(path).modinfo:
        found.setdefault(key, []).append(value)
    return found
