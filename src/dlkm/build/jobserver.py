# SPDX-License-Identifier: GPL-2.0-or-later
"""GNU make's job server, kept by us, so that all makes of a run share the cores. Starts nothing.

Protocol: GNU make manual, "POSIX Jobserver Interaction": a pipe holds one byte a job; who takes one may run one more.
"""

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from select import select

_TOKEN = b"+"
_MANY = 4096  # more threads than any run has; less than a pipe holds


class JobServer:
    """`jobs` tokens in a pipe. Each cell holds one while it runs: the one its make takes for granted."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._reader, self._writer = os.pipe()
        os.write(self._writer, _TOKEN * jobs)
        weakref.finalize(self, _close, self._reader, self._writer)

    @property
    def descriptors(self) -> tuple[int, int]:
        """What every make, and all between it and us, must inherit."""
        return self._reader, self._writer

    @property
    def flags(self) -> str:
        """What MAKEFLAGS says of it (make 4.2 and newer)."""
        return f" -j{self.jobs} --jobserver-auth={self._reader},{self._writer}"

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a token, and give it back after the block."""
        token = self._take()
        try:
            yield
        finally:
            os.write(self._writer, token)

    @contextmanager
    def share(self, jobs: int) -> Iterator[int]:
        """Wait for a token, and take more, up to `jobs` of them, as long as nobody else has them; how many it has.

        For a job whose makes cannot ask the server themselves: they may run that many at once.
        """
        tokens = self._take()
        try:
            tokens += self._take_now(jobs - 1)
            yield len(tokens)
        finally:
            os.write(self._writer, tokens)

    def _take_now(self, most: int) -> bytes:
        """Some that nobody has; through a way of its own into the pipe, where waiting can be left out."""
        if most < 1:
            return b""
        eager = os.open(f"/proc/self/fd/{self._reader}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(eager, most)
        except BlockingIOError:
            return b""
        finally:
            os.close(eager)

    def _take(self) -> bytes:
        """make sets the pipe that it shares with us to not blocking (since 4.3): who finds it empty waits for it."""
        while True:
            select([self._reader], [], [])
            with suppress(BlockingIOError):
                return os.read(self._reader, 1)

    def wake(self) -> None:
        """Let everybody have a token who waits for one: the run ends, and there is nothing left to share."""
        os.write(self._writer, _TOKEN * _MANY)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
