# SPDX-License-Identifier: GPL-2.0-or-later
"""How a figure is taken: both commands in turn, warm, several times; the median of the pairwise ratios counts."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. Seconds are medians; `aim` is the largest ratio (or seconds, with no peer) we want."""

    claim: str
    ours: float
    peer: float | None
    aim: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """What is held against the aim: ours over the peer's, or our seconds where there is no peer."""
        return self.ours if self.peer is None else self.ours / self.peer

    @property
    def reached(self) -> bool:
        """Whether the aim is met."""
        return self.ratio <= self.aim


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def pair(
    claim: str, ours: Callable[[], object], peer: Callable[[], object], *, aim: float, runs: int = 5, note: str = ""
) -> Figure:
    """Measure two actions in turn (A B A B …) after one warm-up of each, so that a drifting machine hits both."""
    ours()
    peer()
    pairs = [(seconds(ours), seconds(peer)) for _ in range(runs)]
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    theirs = statistics.median(each for _, each in pairs)
    return Figure(claim=claim, ours=ratio * theirs, peer=theirs, aim=aim, note=note)


def alone(claim: str, ours: Callable[[], object], *, aim: float, runs: int = 5, note: str = "") -> Figure:
    """Measure one action against an absolute aim in seconds."""
    ours()
    return Figure(
        claim=claim, ours=statistics.median(seconds(ours) for _ in range(runs)), peer=None, aim=aim, note=note
    )
