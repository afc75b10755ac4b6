# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of an action: its output files by content, as they are kept on disk. Reads and writes no file itself."""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from dlkm.action.digest import Digest
from dlkm.action.seal import sealed, unsealed
from dlkm.action.tree import Folder
from dlkm.core.files import inside

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OutFile:
    """One output file; `path` is relative to the action's output directory."""

    path: str
    digest: Digest
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A successful action's outputs: files, symbolic links (path, target), and directories that may be empty."""

    files: tuple[OutFile, ...]
    links: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """ValueError for paths that lead out, or of which one lies in a file or link: nothing else may be laid out."""
        leaves = [inside(path) for path in (*(file.path for file in self.files), *(path for path, _ in self.links))]
        parents = {str(parent) for path in (*leaves, *self.folders) for parent in PurePosixPath(inside(path)).parents}
        if len(set(leaves)) < len(leaves) or (parents | set(self.folders)) & set(leaves):
            raise ValueError("paths that exclude each other")

    def encode(self) -> bytes:
        """As it is kept; `parse` reads it back and sees damage."""
        table = {
            "format": _FORMAT,
            "files": [[file.path, str(file.digest), file.executable] for file in self.files],
            "links": self.links,
            "folders": self.folders,
        }
        return sealed(json.dumps(table, separators=(",", ":")).encode())

    @classmethod
    def parse(cls, raw: bytes) -> "Outcome | None":
        """None for what was damaged or is none of ours."""
        data = unsealed(raw)
        try:
            return cls._from(json.loads(data)) if data is not None else None
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    @classmethod
    def _from(cls, table: Any) -> "Outcome":
        if table["format"] != _FORMAT:
            raise ValueError(_FORMAT)
        files = tuple(
            OutFile(path=path, digest=Digest.parse(digest), executable=bool(executable))
            for path, digest, executable in table["files"]
        )
        links = tuple((path, str(target)) for path, target in table["links"])
        return cls(files=files, links=links, folders=tuple(table["folders"]))

    def folder(self) -> Folder:
        """The output directory as a tree."""
        root = Folder()
        for path in self.folders:
            root.put_folder(path)
        for file in self.files:
            root.put_file(file.path, file.digest, executable=file.executable)
        for path, target in self.links:
            root.put_link(path, target)
        return root

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.digest.size for file in self.files)
