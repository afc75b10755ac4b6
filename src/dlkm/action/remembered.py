# SPDX-License-Identifier: GPL-2.0-or-later
"""Digests remembered by files' status, as git's index does, so that what did not change is not read again.

A status is size, mode, inode, modification and change time. What changed so lately that it could change again within
the same tick of the clock is not remembered ("racy git").
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from dlkm.action.store import Store
from dlkm.core.files import StorageError

TICK = 2.0  # seconds; the coarsest clock of a file system that holds sources (FAT)


@dataclass(slots=True)
class Stamp:
    """The status of many files, folded into one word while they are gone through."""

    newest: float = 0.0
    _seen: Any = field(default_factory=sha256)

    def add(self, name: str, status: os.stat_result | None, also: str = "") -> None:
        """One file; `status` is None for what has none that matters."""
        if status is not None:
            self.newest = max(self.newest, status.st_mtime, status.st_ctime)
            also = f"{status.st_size} {status.st_mode} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns} {also}"
        self._seen.update(f"{name}\0{also}\n".encode("utf-8", "surrogateescape"))

    @property
    def word(self) -> str:
        """The same as long as nothing changed."""
        return str(self._seen.hexdigest())


def recall(store: Store, name: str, stamp: str) -> Any | None:
    """What was remembered under a name while its files had that stamp; None for nothing, or another stamp."""
    data = store.note(name)
    try:
        known = json.loads(data) if data is not None else {}
    except (ValueError, RecursionError):
        return None
    return known.get("value") if isinstance(known, dict) and known.get("stamp") == stamp else None


def remember(store: Store, name: str, stamp: str, newest: float, value: Any, *, began: float) -> None:
    """Remember a value for as long as the stamp is the same. `began`: the time before the first file was looked at."""
    if newest >= began - TICK:
        return
    with suppress(StorageError):  # it is looked at again then
        store.write_note(name, json.dumps({"stamp": stamp, "value": value}).encode())


def files_stamp(paths: Iterable[str]) -> Stamp:
    """The stamp of a few files; one that is not there counts as that."""
    stamp = Stamp()
    for path in paths:
        try:
            stamp.add(path, os.stat(path))  # noqa: PTH116 — hundreds of them, in every run
        except OSError:
            stamp.add(path, None, "absent")
    return stamp


def remembered(
    store: Store | None, name: str, paths: Iterable[str], make: Callable[[], tuple[Any, Iterable[str]]]
) -> Any:
    """A value that depends on a few files: `make` gives it with the paths of those files.

    What is remembered under a name holds their paths; nothing else is looked at while none of them changed. `paths` are
    those known before.
    """
    began = time.time()
    base = files_stamp(paths).word
    known = recall(store, name, base) if store is not None else None
    if known is not None and files_stamp(known["paths"]).word == known["stamp"]:
        return known["value"]
    value, used = make()
    stamp = files_stamp(kept := sorted(used))
    if store is not None:
        whole = {"paths": kept, "stamp": stamp.word, "value": value}
        remember(store, name, base, stamp.newest, whole, began=began)
    return value
