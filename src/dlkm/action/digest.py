# SPDX-License-Identifier: GPL-2.0-or-later
"""A digest: the SHA-256 of bytes and their number, which together name a blob. Knows nothing of what is in it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """`hash` in lower-case hexadecimal, `size` in bytes (remote_execution.proto: Digest)."""

    hash: str
    size: int

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """From `str()` of one; ValueError for anything else."""
        name, slash, size = text.partition("/")
        if not slash or len(name) != 64 or set(name) - set("0123456789abcdef") or not size.isdecimal():
            raise ValueError(text)
        return cls(name, int(size))

    def __str__(self) -> str:
        return f"{self.hash}/{self.size}"


def digest_of(data: bytes) -> Digest:
    """The digest of bytes at hand."""
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def digest_of_file(path: Path) -> Digest:
    """The digest of a file's bytes."""
    with path.open("rb") as stream:
        return digest_of_stream(stream)


def digest_of_stream(stream: IO[bytes], into: IO[bytes] | None = None) -> Digest:
    """The digest of what is left in a stream, copied to another on the way."""
    seen, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK):
        seen.update(chunk)
        size += len(chunk)
        if into is not None:
            into.write(chunk)
    return Digest(seen.hexdigest(), size)
