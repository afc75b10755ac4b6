# SPDX-License-Identifier: GPL-2.0-or-later
"""How long cells took in earlier runs, and what that says of this one's end. Builds nothing."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.files import cache_home, write_atomically

FORMAT = 1
_MOST = 20_000  # cells that are remembered, the last built of all
_LIMIT = 16 << 20  # bytes of the file
_SLOWEST, _FASTEST = 8.0, 0.05  # how far this run's pace may be from the earlier ones'


@dataclass(frozen=True, slots=True)
class Subject:
    """What took its time: a source (its path, so that projects do not mix) for a kernel."""

    source: str
    kernel: str


@dataclass(slots=True)
class Durations:
    """Seconds of earlier runs, by subject, oldest first; `path` is where they are kept between runs."""

    path: Path
    seconds: dict[Subject, float] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None = None) -> "Durations":
        """From the user's cache; empty when nothing there can be read."""
        where = path or cache_home() / "durations.json"
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            with where.open("rb") as stream:
                table = json.loads(stream.read(_LIMIT))
            rows = {FORMAT: table["cells"]}[table["format"]]
            return cls(where, {Subject(str(source), str(kernel)): float(took) for source, kernel, took in rows})
        return cls(where)

    def note(self, subject: Subject, seconds: float) -> None:
        """Remember how long it really took."""
        self.seconds.pop(subject, None)
        self.seconds[subject] = seconds

    def save(self) -> None:
        """Keep them for the next run; a cache that cannot be written is no reason to stop."""
        rows = [[one.source, one.kernel, round(took, 3)] for one, took in list(self.seconds.items())[-_MOST:]]
        with suppress(DlkmError):
            write_atomically(self.path, json.dumps({"format": FORMAT, "cells": rows}))

    def expected(self, subjects: Iterable[Subject]) -> dict[Subject, float | None]:
        """For each what it took, else what its source took for other kernels (the median); None where nothing tells."""
        by_source: dict[str, list[float]] = {}
        for one, took in self.seconds.items():
            by_source.setdefault(one.source, []).append(took)
        medians = {source: sorted(found)[len(found) // 2] for source, found in by_source.items()}
        return {one: self.seconds.get(one, medians.get(one.source)) for one in subjects}


@dataclass(slots=True)
class Estimate:
    """The time that a run still needs. `expected` has the seconds of each cell, None where nobody knows.

    Moments are seconds of any clock that only goes forward.
    """

    expected: Mapping[Subject, float | None]
    workers: int
    _running: dict[Subject, float] = field(default_factory=dict)
    _finished: dict[Subject, float] = field(default_factory=dict)

    def start(self, subject: Subject, now: float) -> None:
        """A cell begins."""
        self._running[subject] = now

    def finish(self, subject: Subject, now: float) -> None:
        """A cell is over."""
        self._finished[subject] = now - self._running.pop(subject, now)

    def left(self, now: float) -> float | None:
        """Seconds until the end; None as long as nothing tells.

        Cells nobody knows count as the mean of those that are known, and all by the pace of this run against the
        earlier ones'.
        """
        waiting = [one for one in self.expected if one not in self._finished]
        known = [took for one in self.expected if (took := self._expected(one)) is not None]
        if not waiting or not known:
            return None if waiting else 0.0
        mean, pace = sum(known) / len(known), self._pace()
        rest = [self._rest(one, mean, pace, now) for one in waiting]
        return max(*rest, sum(rest) / self.workers)

    def _expected(self, subject: Subject) -> float | None:
        return self._finished.get(subject, self.expected[subject])

    def _rest(self, subject: Subject, mean: float, pace: float, now: float) -> float:
        took = self._expected(subject)
        return max((mean if took is None else took) * pace - (now - self._running.get(subject, now)), 0.0)

    def _pace(self) -> float:
        pairs = [(took, before) for one, took in self._finished.items() if (before := self.expected[one])]
        real, before = sum(took for took, _ in pairs), sum(before for _, before in pairs)
        return min(max(real / before, _FASTEST), _SLOWEST) if before else 1.0
