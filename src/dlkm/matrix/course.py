# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a run of many cells is, and when it will end; what it learns of durations is kept for the next."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from dlkm.build.cells import Attempt
from dlkm.build.durations import Durations, Estimate, Subject
from dlkm.build.result import BuildOutcome
from dlkm.core.events import Events, Task
from dlkm.matrix.declaration import Step
from dlkm.matrix.plan import PlannedCell

_BETWEEN = 0.2  # seconds between two words on how far it is: cells from the cache come by the hundred


@dataclass(slots=True)
class Course:
    """Follows the cells of one run (dlkm.build.cells.Watcher)."""

    subjects: dict[str, Subject]  # by the cell's id
    failing: frozenset[str]  # ids of those that are expected to fail
    durations: Durations
    estimate: Estimate
    task: Task | None
    finished: int = 0
    failed: int = 0
    _told: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    @property
    def open(self) -> int:
        """How many cells are under way or waiting."""
        return len(self.subjects) - self.finished

    def begin(self, cell: str) -> None:
        """A cell begins; one that nobody planned (a recipe that others need) is not counted."""
        with self._lock:
            if cell in self.subjects:
                self.estimate.start(self.subjects[cell], time.monotonic())

    def end(self, attempt: Attempt) -> None:
        """It is over."""
        cell = attempt.cell
        with self._lock:
            subject = self.subjects.get(cell.id)
            if subject is None:
                return
            self.estimate.finish(subject, time.monotonic())
            self.finished += 1
            self.failed += cell.outcome is BuildOutcome.FAILED and cell.id not in self.failing
            if cell.seconds and not cell.cached:
                self.durations.note(subject, cell.seconds)
            self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if self.task is not None and (now > self._told + _BETWEEN or self.finished == len(self.subjects)):
            self._told = now
            failed = f", {self.failed} failed" if self.failed else ""
            text = f"{self.finished} of {len(self.subjects)} cells{failed}"
            self.task.advance(self.finished, text=text, left=self.estimate.left(now))


@contextmanager
def course(cells: Sequence[PlannedCell], workers: int, events: Events) -> Iterator[Course]:
    """Follow a run from its first cell to its end, however it ends; of a single cell there is nothing to follow."""
    durations = Durations.load()
    subjects = {cell.id: Subject(str(cell.source.path), cell.kernel.id) for cell in cells}
    failing = frozenset(cell.id for cell in cells if Step.BUILD in cell.failures)
    estimate = Estimate(durations.expected(subjects.values()), max(1, min(workers, len(cells))))
    try:
        if len(cells) < 2:
            yield Course(subjects, failing, durations, estimate, None)
            return
        with events.task(f"building {len(cells)} cells", total=len(cells), whole=True) as task:
            task.advance(0, text=f"0 of {len(cells)} cells", left=estimate.left(time.monotonic()))
            followed = Course(subjects, failing, durations, estimate, task)
            try:
                yield followed
            except KeyboardInterrupt:
                done = f"{followed.finished} of {len(cells)} cells are finished and kept"
                events.info(f"{done}; the same command goes on from there")
                raise
    finally:
        durations.save()
