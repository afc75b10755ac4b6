# SPDX-License-Identifier: GPL-2.0-or-later
"""Work beside our own: a forked process that computes one value and hands it back through a pipe."""

import os
import pickle
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from dlkm.core.errors import WorkerLostError

_Told = TypeVar("_Told")
_pipes: set[int] = set()  # that we read: a child that held another's open would keep that one from finding nobody there


class Child(Generic[_Told]):
    """A process that has begun to compute; `collect` or `abandon` it."""

    def __init__(self, pid: int, pipe: int) -> None:
        self._pid, self._pipe = pid, pipe

    @classmethod
    def start(cls, compute: Callable[[], _Told]) -> Self:
        """Begin. What is computed must be a value that pickle takes; errors are none: hand them over as values."""
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid:
            os.close(theirs)
            _pipes.add(ours)
            return cls(pid, ours)
        status = 1
        try:
            for pipe_of_ours in (ours, *_pipes):
                os.close(pipe_of_ours)
            _pipes.clear()  # it may have children of its own
            with os.fdopen(theirs, "wb") as pipe:
                pickle.dump(compute(), pipe, pickle.HIGHEST_PROTOCOL)
            status = 0
        finally:
            # Whatever happened, nothing of the parent's (its buffers, its progress bars) may be finished here.
            os._exit(status)

    def collect(self) -> _Told:
        """The value, once it is there; WorkerLostError when the process was ended from outside."""
        _pipes.discard(self._pipe)
        with os.fdopen(self._pipe, "rb") as stream:
            self._pipe = -1
            data = stream.read()
        _, status = os.waitpid(self._pid, 0)
        if status != 0:
            raise WorkerLostError(
                f"a worker process ended early (status {os.waitstatus_to_exitcode(status)})",
                hint="run it again; with -j 1 all happens in one process",
            )
        told: _Told = pickle.loads(data)  # noqa: S301 — written by our own child, through a pipe
        return told

    def abandon(self) -> None:
        """Nobody wants the value any more: wait for the end, which comes when the child finds nobody to tell.

        Nothing to do once it was collected.
        """
        if self._pipe >= 0:
            _pipes.discard(self._pipe)
            os.close(self._pipe)
            os.waitpid(self._pid, 0)
