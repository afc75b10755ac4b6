# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells how far make is while it runs, by the steps its log names. Reads only what was added since."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from dlkm.core.events import Task

_STEP = re.compile(rb"^\s+(?:CC|AS|LD|RUSTC|HOSTCC|MODPOST|BTF|CXX)\s+(?:\[M\]\s+)?\S", re.MULTILINE)
_INTERVAL = 0.3  # seconds
_CHUNK = 1 << 20  # bytes read at once


@contextmanager
def followed(log: Path, task: Task) -> Iterator[None]:
    """Advance `task` by one for each object that the log says is made, until the block ends."""
    finished = Event()
    thread = Thread(target=_follow, args=(log, task, finished), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _follow(log: Path, task: Task, finished: Event) -> None:
    done, position = 0, 0
    while not finished.wait(_INTERVAL):
        try:
            with log.open("rb") as stream:
                stream.seek(position)
                chunk = stream.read(_CHUNK)
        except OSError:
            continue
        whole = chunk[: chunk.rfind(b"\n") + 1] or (chunk if len(chunk) == _CHUNK else b"")
        position += len(whole)
        steps = len(_STEP.findall(whole))
        if steps:
            done += steps
            task.advance(done)
