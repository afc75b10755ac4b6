# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd and kmod say, as data/boot.toml has it, taken apart. Asks nobody."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from dlkm.core.data import data_table
from dlkm.core.errnos import errno_numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The table, which explains its fields."""

    over: frozenset[str]
    said: Mapping[str, re.Pattern[str]]
    inserted: re.Pattern[str]
    refused: re.Pattern[str]
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What was said of one module: a key of the table's `said`, the line, and the errno that it names."""

    kind: str
    line: str
    errno: str | None = None


@cache
def words() -> Words:
    """The table, read once."""
    table: dict[str, Any] = data_table("boot.toml")
    return Words(
        over=frozenset(table["over"]),
        said={kind: re.compile(pattern) for kind, pattern in table["said"].items()},
        inserted=re.compile(table["inserted"]),
        refused=re.compile(table["refused"]),
        words=table["words"],
    )


def sayings(journal: str) -> dict[str, Saying]:
    """The last word of systemd-modules-load on each name, as the name was written."""
    found: dict[str, Saying] = {}
    for line in journal.splitlines():
        for kind, pattern in words().said.items():
            match = pattern.search(line)
            if match is not None:
                errno = errno_of(match[2]) if kind == "failed" else None
                found[match[1]] = Saying(kind=kind, line=match[0], errno=errno)
    return found


def refusal(output: str) -> str | None:
    """The errno that modprobe's words on standard error name; None where it names none."""
    match = words().refused.search(output)
    return errno_of(match[2]) if match is not None else None


def inserted_files(output: str) -> tuple[str, ...]:
    """The files that `modprobe -v` loads, or would load, in order."""
    return tuple(words().inserted.findall(output))


def errno_of(text: str) -> str | None:
    """The name of an error by strerror(3)'s words, or by a program's own; None for words nobody knows."""
    return words().words.get(text.strip()) or _strerror().get(text.strip())


@cache
def _strerror() -> dict[str, str]:
    return {os.strerror(number): name for name, number in errno_numbers().items()}
