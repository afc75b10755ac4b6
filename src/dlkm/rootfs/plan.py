# SPDX-License-Identifier: GPL-2.0-or-later
"""What will be done to a root filesystem, as data."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.core.files import sha256_file

FILE_MODE = 0o644
DIRECTORY_MODE = 0o755


class Action(StrEnum):
    """What one operation does."""

    MKDIR = "mkdir"
    WRITE = "write"  # a file where nothing was
    REPLACE = "replace"  # a file in place of another, or of a link
    REMOVE = "remove"


def digest_of(path: Path) -> str:
    """The SHA-256 of a file that is to be staged; UsageError when it cannot be read, or is gone by now."""
    try:
        return sha256_file(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file's bytes, either here (`data`) or in a file outside the root (`source`), pinned by their SHA-256.

    `mode` are its permission bits. A symbolic link has its text in `link`, and nothing else.
    """

    sha256: str
    data: bytes = b""
    source: Path | None = None
    mode: int = FILE_MODE
    link: str = ""

    @classmethod
    def of(cls, what: bytes | Path, mode: int = FILE_MODE) -> "Content":
        """From bytes, or from a file that is read now for its digest and again when it is copied.

        UsageError for a file that cannot be read.
        """
        if isinstance(what, Path):
            return cls(sha256=digest_of(what), source=what, mode=mode)
        return cls(sha256=hashlib.sha256(what).hexdigest(), data=what, mode=mode)

    @classmethod
    def to(cls, target: str) -> "Content":
        """A symbolic link."""
        return cls(sha256=hashlib.sha256(target.encode()).hexdigest(), link=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change. `path` is relative to the root and goes through no link.

    `before` is what a record needs to take it back: the SHA-256 of the file that goes, or `-> TARGET` of a link.
    """

    action: Action
    path: str
    content: Content | None = None
    before: str | None = None

    @property
    def sha256(self) -> str | None:
        """The digest of what will lie there."""
        return self.content.sha256 if self.content is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that will be done, in this order; empty when the root already is as wanted."""

    operations: tuple[Operation, ...] = ()
