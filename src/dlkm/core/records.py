# SPDX-License-Identifier: GPL-2.0-or-later
"""Records that lie beside what they speak of, a JSON document each, and whether a file still is what they meant."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dlkm.core.files import sha256_file, write_atomically

VERDICT, PROOF = "verdict.json", "proof.json"  # in a cell's output directory, beside its build.json


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A file's content by its SHA-256; size and time of change spare reading it again."""

    sha256: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """As it is now; OSError when it cannot be read."""
        status = path.stat()
        return cls(sha256=sha256_file(path), size=status.st_size, mtime_ns=status.st_mtime_ns)

    @classmethod
    def parse(cls, entry: Any) -> Self:
        """From a record; KeyError, TypeError or ValueError when it is none."""
        return cls(sha256=text_of(entry["sha256"]), size=int(entry["size"]), mtime_ns=int(entry["mtime_ns"]))

    def holds(self, path: Path) -> bool:
        """Whether the file still has that content."""
        try:
            status = os.stat(path)  # noqa: PTH116 — tens of thousands of them
            if (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns):
                return True
            return status.st_size == self.size and sha256_file(path) == self.sha256
        except OSError:
            return False


def write_record(path: Path, schema: str, table: dict[str, Any]) -> None:
    """Write a record, whole or not at all; StorageError when it cannot be written."""
    write_atomically(path, json.dumps({"schema": schema} | table, indent=1, ensure_ascii=True) + "\n")


def read_record(path: Path, schema: str, limit: int) -> dict[str, Any] | None:
    """A record's table; None where there is none that this program can read."""
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
        table = json.loads(data) if len(data) <= limit else None
    except (OSError, ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) and table.get("schema") == schema else None


def text_of(value: Any) -> str:
    """A text of a record; TypeError for anything else."""
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(value)
    return value
