# SPDX-License-Identifier: GPL-2.0-or-later
"""What is to become of a member of an image or archive, as a value."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dlkm.filesystem.place import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What will lie at a path that goes through no link: a file, a directory, a link; MISSING for what is to go.

    A file's bytes are `data`, or those of the file `source`. All that is new belongs to root.
    """

    path: str
    kind: Kind
    mode: int = 0
    data: bytes = b""
    source: Path | None = None
    target: str = ""

    @property
    def size(self) -> int:
        """Bytes of a file, or of what a link says."""
        if self.kind is Kind.LINK:
            return len(self.text)
        return len(self.data) if self.source is None else self.source.stat().st_size

    @property
    def text(self) -> bytes:
        """What a link says."""
        return self.target.encode("utf-8", "surrogateescape")

    def copy_to(self, sink: BinaryIO) -> None:
        """Write a file's bytes, or what a link says."""
        if self.source is None:
            sink.write(self.text if self.kind is Kind.LINK else self.data)
        else:
            with self.source.open("rb") as source:
                shutil.copyfileobj(source, sink, 1 << 20)
