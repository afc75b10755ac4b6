# SPDX-License-Identifier: GPL-2.0-or-later
"""Being told to stop: a polite kill and a closed terminal end the work as Ctrl-C does, with everything tidied up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_POLITE = (signal.SIGTERM, signal.SIGHUP)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt in the block; for the main thread."""
    before = {number: signal.signal(number, _interrupt) for number in _POLITE}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
