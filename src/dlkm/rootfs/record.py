# SPDX-License-Identifier: GPL-2.0-or-later
"""What one staging did to a root filesystem, as a value and as a file: all that is needed to take it back.

A record is written before the first change, so that a run that is killed can be taken back by the next one.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dlkm.core.errors import MalformedError
from dlkm.core.files import inside, write_atomically
from dlkm.filesystem.delta import Piece, Source
from dlkm.filesystem.members import Form
from dlkm.filesystem.place import Kind
from dlkm.rootfs.plan import Action, Operation

SCHEMA = "dlkm.stage-record/1"
FILE = "record.json"
BEFORE = "before"  # the directory of files that were replaced, or the bytes that a rewritten file has no more
_LIMIT = 256 << 20  # bytes; a staging of a whole kernel's modules has two million


class Status(StrEnum):
    """How far a staging, or its undoing, has come."""

    BEGUN = "begun"
    DONE = "done"
    UNDOING = "undoing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What a file has beside its bytes. `xattrs` are in base64."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: Mapping[str, str] = field(default_factory=dict)

    def attributes(self) -> dict[str, bytes]:
        """The extended attributes as they are."""
        return {name: b64decode(value, validate=True) for name, value in self.xattrs.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What lay there: a file with its digest, whose bytes are kept in the record as `kept`; or a link."""

    kind: Kind
    owned: Owned
    sha256: str = ""
    target: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation: `sha256` and `mode` of the file that lies there since, or a link's `target`."""

    action: Action
    path: str
    sha256: str = ""
    mode: int = 0
    target: str = ""
    before: Before | None = None


def step_of(operation: Operation) -> Step:
    """An operation as a record has it, without what was there before."""
    content = operation.content
    if content is None:
        return Step(action=operation.action, path=operation.path)
    if content.link:
        return Step(action=operation.action, path=operation.path, target=content.link)
    return Step(action=operation.action, path=operation.path, sha256=content.sha256, mode=content.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A directory in which something changed, and when it had been changed last before."""

    path: str
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A file (an image, an archive) that was replaced as a whole: digests before and after (`digest_of_content`).

    `pieces` make the old file out of the new one and of the bytes kept.
    """

    owned: Owned
    before: str
    after: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One staging. `mark` is in the names of what a run that ended early left beside its targets.

    `folders`, and what was there before each step, are for a directory; `rewritten` is for a file.
    """

    number: int
    status: Status
    mark: str
    form: Form
    target: str
    when: str
    steps: tuple[Step, ...] = ()
    folders: tuple[Folder, ...] = ()
    rewritten: Rewritten | None = None


def encoded(attributes: Mapping[str, bytes]) -> dict[str, str]:
    """Extended attributes as a record has them."""
    return {name: b64encode(value).decode("ascii") for name, value in attributes.items()}


def write_record(record: Record, folder: Path) -> None:
    """Into its directory, in the place of an earlier one of the same staging."""
    table = {"schema": SCHEMA} | asdict(record)
    write_atomically(folder / FILE, json.dumps(table, indent=1, ensure_ascii=True) + "\n")


def read_record(folder: Path) -> Record:
    """The record in a directory; MalformedError for one that is damaged or of another version."""
    path = folder / FILE
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT + 1)
        table = json.loads(data if len(data) <= _LIMIT else "")
        return _record(table)
    except OSError as error:
        raise MalformedError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(f"{path}: is no record of a staging ({SCHEMA})") from error


def _record(table: dict[str, Any]) -> Record:
    if table["schema"] != SCHEMA:
        raise ValueError(SCHEMA)
    rewritten = table.pop("rewritten")
    return Record(
        number=int(table["number"]),
        status=Status(table["status"]),
        mark=_plain(table["mark"]),
        form=Form(table["form"]),
        target=str(table["target"]),
        when=str(table["when"]),
        steps=tuple(_step(one) for one in table["steps"]),
        folders=tuple(Folder(path=_path(one["path"]), mtime_ns=int(one["mtime_ns"])) for one in table["folders"]),
        rewritten=None if rewritten is None else _rewritten(rewritten),
    )


def _step(table: dict[str, Any]) -> Step:
    before = table["before"]
    return Step(
        action=Action(table["action"]),
        path=inside(table["path"]),
        sha256=str(table["sha256"]),
        mode=int(table["mode"]),
        target=str(table["target"]),
        before=None if before is None else _before(before),
    )


def _before(table: dict[str, Any]) -> Before:
    return Before(
        kind=Kind(table["kind"]),
        owned=_owned(table["owned"]),
        sha256=str(table["sha256"]),
        target=str(table["target"]),
        kept=_plain(table["kept"]) if table["kept"] else "",
    )


def _owned(table: dict[str, Any]) -> Owned:
    numbers = {name: int(table[name]) for name in ("mode", "uid", "gid", "mtime_ns")}
    owned = Owned(**numbers, xattrs={str(name): str(value) for name, value in table["xattrs"].items()})
    owned.attributes()
    return owned


def _rewritten(table: dict[str, Any]) -> Rewritten:
    return Rewritten(
        owned=_owned(table["owned"]),
        before=str(table["before"]),
        after=str(table["after"]),
        pieces=tuple(
            Piece(source=Source(one["source"]), size=int(one["size"]), start=int(one["start"]))
            for one in table["pieces"]
        ),
    )


def _path(text: str) -> str:
    """A path in the root; the root itself is empty."""
    return inside(text) if text else text


def _plain(text: str) -> str:
    """A name, and nothing that leads elsewhere."""
    if not text.isalnum():
        raise ValueError(text)
    return text
