# SPDX-License-Identifier: GPL-2.0-or-later
"""What data/rootfs.toml says of a minimal root filesystem. Looks at no file but that."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from dlkm.core.data import data_table, data_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The fields are those of the table, which explains them."""

    packages: tuple[str, ...]
    excluded: tuple[str, ...]
    kept: tuple[str, ...]
    groups: tuple[str, ...]
    directories: Mapping[str, int]
    copies: Mapping[str, str]
    links: Mapping[str, str]
    files: Mapping[str, str]


@cache
def table() -> Table:
    """The table, read once."""
    raw: dict[str, Any] = data_table("rootfs.toml")
    lists = {key: tuple(value) for key, value in raw.items() if isinstance(value, list)}
    return Table(**raw | lists)


def text() -> str:
    """The table as it is written: what a root made by it depends on."""
    return data_text("rootfs.toml")
