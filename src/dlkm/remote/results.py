# SPDX-License-Identifier: GPL-2.0-or-later
"""A service's action results as outcomes, and back. What comes from outside is bounded and names no other places."""

from typing import Any

from google.protobuf.message import DecodeError

from dlkm.action import wire
from dlkm.action.digest import Digest, digest_of
from dlkm.action.outcome import Outcome, OutFile
from dlkm.action.tree import Blobs
from dlkm.remote.cas import Cas, WrongBytesError
from dlkm.remote.messages import from_wire, messages, to_wire

_TREE_LIMIT = 16 << 20  # bytes of a Tree message
_ENTRIES = 100_000  # files, links and directories of one outcome
_TOTAL = 8 << 30  # bytes of its files
_DEPTH = 100


def outcome_of(result: Any, output: str, cas: Cas) -> Outcome:
    """The output directory of that name; WrongBytesError for anything that is no sound result."""
    try:
        folders = [one for one in result.output_directories if one.path == output]
        entries = _Entries()
        for folder in folders:
            tree = messages().Tree.FromString(cas.read(from_wire(folder.tree_digest), _TREE_LIMIT))
            entries.take(tree)
        for file in result.output_files:
            place, slash, rest = file.path.partition("/")
            if place == output and slash:
                entries.file(rest, file)
        return entries.outcome()
    except (ValueError, KeyError, RecursionError, DecodeError) as error:
        raise WrongBytesError(f"the result is not sound: {error}") from error


class _Entries:
    """What an output directory holds, as it is gone through."""

    def __init__(self) -> None:
        self._files: list[OutFile] = []
        self._links: list[tuple[str, str]] = []
        self._folders: list[str] = []
        self._size = self._count = 0

    def take(self, tree: Any) -> None:
        children = {digest_of(child.SerializeToString(deterministic=True)): child for child in tree.children}
        self._walk(tree.root, "", children, 0)

    def _walk(self, directory: Any, below: str, children: dict[Digest, Any], depth: int) -> None:
        if depth > _DEPTH:
            raise ValueError("directories too deep")
        for file in directory.files:
            self.file(below + _name(file.name), file)
        for link in directory.symlinks:
            self._one_more(0)
            self._links.append((below + _name(link.name), link.target))
        for folder in directory.directories:
            self._one_more(0)
            place = below + _name(folder.name)
            self._folders.append(place)
            self._walk(children[from_wire(folder.digest)], f"{place}/", children, depth + 1)

    def file(self, place: str, file: Any) -> None:
        digest = from_wire(file.digest)
        self._one_more(digest.size)
        self._files.append(OutFile(path=place, digest=digest, executable=file.is_executable))

    def _one_more(self, size: int) -> None:
        self._count += 1
        self._size += size
        if self._count > _ENTRIES or self._size > _TOTAL:
            raise ValueError("more than any build leaves")

    def outcome(self) -> Outcome:
        return Outcome(files=tuple(self._files), links=tuple(self._links), folders=tuple(self._folders))


def _name(text: str) -> str:
    if not text or "/" in text or text in {".", ".."} or "\0" in text:
        raise ValueError(f"a file's name is {text!r}")
    return text


def result_of(outcome: Outcome, output: str) -> tuple[Any, Blobs]:
    """An outcome as a result, and the messages that it names."""
    below: dict[Digest, bytes] = {}
    root = outcome.folder().digest(below.__setitem__)
    tree = wire.tree(below[root], (data for digest, data in below.items() if digest != root))
    blobs = Blobs()
    directory = messages().OutputDirectory(path=output, tree_digest=to_wire(blobs.put(tree)))
    return messages().ActionResult(output_directories=[directory], exit_code=0), blobs
