# SPDX-License-Identifier: GPL-2.0-or-later
"""What other machines have to offer to builds: a cache that is shared, workers; and what becomes of their failures."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from dlkm.action.outcome import Outcome
from dlkm.action.tree import Blobs
from dlkm.core.errors import WorkerLostError
from dlkm.core.events import Events

if TYPE_CHECKING:
    from dlkm.build.request import Request
    from dlkm.remote.service import Answer, Service

_NOT_FIT = {120: "has another toolchain", 121: "cannot build as asked"}  # data/run.sh


@dataclass(slots=True)
class _Told:
    """What was told already."""

    lock: Lock = field(default_factory=Lock)
    texts: set[str] = field(default_factory=set)

    def is_new(self, text: str) -> bool:
        with self.lock:
            new = text not in self.texts
            self.texts.add(text)
            return new


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """`shared` is a cache to ask and, when `writes`, to fill; `workers` run what is not known.

    `fallback`: what no worker gives is built here; otherwise it is a WorkerLostError.
    """

    events: Events
    shared: "Service | None" = None
    workers: "Service | None" = None
    writes: bool = True
    fallback: bool = True
    hermetic: bool = False
    jobs: int = 16
    properties: Mapping[str, str] = field(default_factory=dict)
    _told: _Told = field(default_factory=_Told)

    def known(self, request: "Request") -> Outcome | None:
        """What one of them knows of a request."""
        for service in (self.shared, self.workers):
            outcome = service.known(request.digest) if service is not None else None
            if outcome is not None:
                return outcome
        return None

    def publish(self, request: "Request", outcome: Outcome) -> None:
        """Let others know what was built here."""
        if self.shared is not None and self.writes:
            self.shared.publish(request.digest, outcome, request.blobs)

    def run(self, request: "Request", inputs: Callable[[], Iterator[Blobs]], *, anew: bool) -> "Answer | None":
        """What a worker made of a request; None when it is to be built here; WorkerLostError where that may not be."""
        assert self.workers is not None

        def all_inputs() -> Iterator[Blobs]:
            yield from inputs()
            yield request.blobs

        try:
            answer = self.workers.run(request.digest, all_inputs, anew=anew)
        except WorkerLostError as error:
            self._lost(error.what)
            return None
        if answer.status in _NOT_FIT:
            self._lost(f"{self.workers.name}: a worker {_NOT_FIT[answer.status]}: {answer.said[-300:]}")
            return None
        return answer

    def has_nothing(self, answer: "Answer | None") -> None:
        """A worker's answer had no outputs: what it said instead is why; the end of the build, or built here."""
        if answer is not None and self.workers is not None:
            why = answer.said[-300:] or f"it ended with status {answer.status}"
            self._lost(f"{self.workers.name}: a worker left no result: {why}")

    def _lost(self, what: str) -> None:
        if not self.fallback:
            raise WorkerLostError(what, hint="without --remote-fallback none it is built here")
        if self._told.is_new(what):
            self.events.warning(f"{what}: built here instead")

    def close(self) -> None:
        """End the connections."""
        for service in (self.shared, self.workers):
            if service is not None:
                service.close()
