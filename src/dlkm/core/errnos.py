# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's error numbers and their names, as data/errno.toml has them."""

from collections.abc import Mapping
from functools import cache

from dlkm.core.data import data_table


def errno_numbers() -> Mapping[str, int]:
    """By name ("ENOEXEC": 8)."""
    return data_table("errno.toml")


@cache
def errno_names() -> dict[int, str]:
    """By number; of two names for one the later."""
    return {number: name for name, number in errno_numbers().items()}


def errno_name(number: int) -> str:
    """8 is "ENOEXEC"; a number nobody named is shown as it is."""
    return errno_names().get(number, f"errno {number}")
