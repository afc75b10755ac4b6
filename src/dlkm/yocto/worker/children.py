# SPDX-License-Identifier: GPL-2.0-only
"""Processes that each read or run one recipe: their answers, within limits of time, size and number."""

import json
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

_TICK = 0.1  # seconds between two looks at how many processes there are
_ANSWER = 32 << 20  # bytes of one answer


class Child:
    """One process. `answer` is what it wrote, once it has ended well; else `why` says how it ended."""

    def __init__(self, work: Callable[[], dict[str, Any]], seconds: float) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _be_child(work, reading, writing)
        os.close(writing)
        self.pipe, self.end, self.seconds = reading, time.monotonic() + seconds, seconds
        self.data = bytearray()
        self.answer: bytes | None = None
        self.why = ""

    def read(self) -> bool:
        """Take what is there; whether that was all of it."""
        piece = os.read(self.pipe, 1 << 16)
        self.data += piece
        if self.data.endswith(b"\n"):
            self.answer = bytes(self.data[:-1])
        elif len(self.data) > _ANSWER:
            self.why = f"answered more than {_ANSWER >> 20} MiB"
        return not piece or bool(self.why) or self.answer is not None

    def finish(self, why: str = "") -> None:
        """See to its end, which it may not care to come to by itself."""
        os.close(self.pipe)
        _kill(self.pid)
        _, status = os.waitpid(self.pid, 0)
        self.why = why or self.why or f"made its process end ({os.waitstatus_to_exitcode(status)})"


def _be_child(work: Callable[[], dict[str, Any]], reading: int, writing: int) -> None:
    """Do the work and answer; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        # The way out of the worker belongs to its parent: nothing that a recipe writes gets between answers.
        os.closerange(3, min(reading, writing))
        data = json.dumps(work()).encode() + b"\n"
        while data:
            data = data[os.write(writing, data) :]
        status = 0
    finally:
        os._exit(status)


def _kill(pid: int) -> None:
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


def wait(children: Sequence[Child], most: int) -> Child | None:
    """The next child that ended, finished. None when there were more than `most` processes: all but us were killed."""
    while True:
        late = next((child for child in children if time.monotonic() > child.end), None)
        if late is not None:
            late.finish(f"took longer than {late.seconds:.0f} seconds and was ended")
            return late
        ready, _, _ = select.select([child.pipe for child in children], [], [], _TICK)
        for child in children:
            if child.pipe in ready and child.read():
                child.finish()
                return child
        if _more_than(most):
            _kill_all()
            for child in children:
                child.finish(f"made more than {most} processes and was ended")
            return None


def _more_than(most: int) -> bool:
    """Whether this sandbox has more processes; counts no further, as each look is dear when there are many."""
    count = 0
    with os.scandir("/proc") as entries:
        for entry in entries:
            count += entry.name.isdigit()
            if count > most:
                return True
    return False


def _kill_all() -> None:
    """Everything in this sandbox but us and its first process; none can fork away from it."""
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
