# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a program has come that fills a directory: by the bytes that lie there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from dlkm.core.events import Task

INTERVAL = 0.2  # seconds


@contextmanager
def watching(folder: Path, task: Task) -> Iterator[None]:
    """While the body runs, report the bytes of the files right in `folder` as the task's progress."""
    finished = Event()

    def watch() -> None:
        while not finished.wait(INTERVAL):
            task.advance(_bytes_in(folder))

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _bytes_in(folder: Path) -> int:
    total = 0
    for entry in os.scandir(folder):
        with suppress(OSError):
            total += entry.stat().st_size if entry.is_file() else 0
    return total
