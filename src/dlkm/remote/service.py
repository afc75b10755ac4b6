# SPDX-License-Identifier: GPL-2.0-or-later
"""A service as builds use it: known outcomes, actions run, outcomes published. What failed is told, once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from dlkm.action.digest import Digest
from dlkm.action.outcome import Outcome
from dlkm.action.store import Store
from dlkm.action.tree import Blobs
from dlkm.core.events import Events
from dlkm.remote.cas import Cas, WrongBytesError
from dlkm.remote.channel import AbsentError, Channel, LostError, MissingInputsError, RefusedError
from dlkm.remote.execute import Actions
from dlkm.remote.results import outcome_of, result_of

_Value = TypeVar("_Value")
_TEXT_LIMIT = 1 << 20  # bytes of what a worker says


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an action on a worker: its exit status, its outputs in the store, and what it said beside them."""

    status: int
    outcome: Outcome
    said: str
    cached: bool


class Service:
    """One service. Not for actions whose inputs or outputs are not all named by their digests."""

    def __init__(self, channel: Channel, store: Store, events: Events, *, output: str, seconds: float) -> None:
        self._channel, self._store, self._events = channel, store, events
        self._cas, self._actions, self._output = Cas(channel), Actions(channel, seconds), output
        self._lock = Lock()
        self._lost: LostError | None = None
        self._may_write = True

    @property
    def name(self) -> str:
        """Its address."""
        return str(self._channel.address)

    def known(self, action: Digest) -> Outcome | None:
        """A successful outcome that the action cache knows, its files now in the store; None for none, or a bad one."""
        return self._careful(lambda: self._known(action))

    def _known(self, action: Digest) -> Outcome | None:
        result = self._actions.known(action)
        if result is None or result.exit_code != 0:
            return None
        return self._fetched(result)

    def _fetched(self, result: Any) -> Outcome:
        outcome = outcome_of(result, self._output, self._cas)
        self._cas.download((file.digest for file in outcome.files), self._store)
        return outcome

    def publish(self, action: Digest, outcome: Outcome, own: Blobs) -> None:
        """Let others know an outcome; `own` are the action's messages. Where that is not allowed it is told once."""
        if self._may_write:
            self._careful(lambda: self._publish(action, outcome, own))

    def _publish(self, action: Digest, outcome: Outcome, own: Blobs) -> None:
        result, messages = result_of(outcome, self._output)
        files = Blobs(paths={file.digest: self._store.path(file.digest) for file in outcome.files})
        try:
            self._cas.upload(own | messages | files)
            self._actions.publish(action, result)
        except RefusedError as error:
            with self._lock:
                told, self._may_write = not self._may_write, False
            if not told:
                self._events.warning(f"{error.what}: what is built here is not shared")

    def run(self, action: Digest, inputs: Callable[[], Iterable[Blobs]], *, anew: bool = False) -> Answer:
        """Run an action on a worker. LostError when no worker gives a sound answer; RefusedError when we may not."""
        if self._lost is not None:
            raise self._lost
        try:
            return self._run(action, inputs, anew=anew)
        except LostError as error:
            with self._lock:
                self._lost = error  # the next ones need not wait as long to learn it
            raise

    def _run(self, action: Digest, inputs: Callable[[], Iterable[Blobs]], *, anew: bool) -> Answer:
        self._refuse_unless_it_runs()
        for _try in range(2):
            try:
                for blobs in inputs():
                    sent = self._cas.upload(blobs)
                    self._events.detail(f"{self.name}: {sent} bytes sent of {action.hash[:12]}")
                result, cached = self._actions.run(action, anew=anew)
                return self._answer(result, cached=cached)
            except (MissingInputsError, AbsentError, WrongBytesError) as error:
                self._events.warning(f"{error}; trying once more")
                self._cas.forget()
                anew = True
        raise LostError(f"{self.name}: gives no sound result of {action.hash[:12]}")

    def _refuse_unless_it_runs(self) -> None:
        if not self._cas.capabilities.execution_capabilities.exec_enabled:
            raise RefusedError(f"{self.name}: runs no actions, it only keeps results", hint="--remote-cache")

    def _answer(self, result: Any, *, cached: bool) -> Answer:
        said = result.stderr_raw or b""
        if result.HasField("stderr_digest") and result.stderr_digest.size_bytes:
            said = self._cas.read(Digest(result.stderr_digest.hash, result.stderr_digest.size_bytes), _TEXT_LIMIT)
        return Answer(
            status=result.exit_code,
            outcome=self._fetched(result),
            said=said.decode("utf-8", "replace").strip(),
            cached=cached,
        )

    def _careful(self, action: Callable[[], _Value]) -> _Value | None:
        """Do what may fail without harm; a service that is lost is not asked again, and that is told once."""
        if self._lost is not None:
            return None
        try:
            return action()
        except LostError as error:
            with self._lock:
                first, self._lost = self._lost is None, error
            if first:
                self._events.warning(f"{error.what}: going on without it")
        except (AbsentError, MissingInputsError, WrongBytesError) as error:
            self._events.warning(f"{self.name}: {error}: not used")
        return None

    def close(self) -> None:
        """End the connection."""
        self._channel.close()
