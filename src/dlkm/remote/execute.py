# SPDX-License-Identifier: GPL-2.0-or-later
"""A service's action cache and its workers: known results asked for, actions run, lost ones run again."""

import queue
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

from dlkm.action.digest import Digest
from dlkm.remote.channel import PASSING_CODES, AbsentError, Channel, LostError, MissingInputsError
from dlkm.remote.messages import messages, to_wire

_SILENCE = 20.0  # seconds after which a service that says nothing of an action is asked whether it lives
_ANSWER = 10.0  # seconds that it has to answer
_FAILED_PRECONDITION = 9  # google.rpc.Code


class Actions:
    """The actions of one service; `seconds` is how long one may take, waiting for a worker included."""

    def __init__(self, channel: Channel, seconds: float) -> None:
        self._channel, self._seconds = channel, seconds
        self._instance = channel.address.instance

    def known(self, action: Digest) -> Any | None:
        """The result that the action cache holds, or None."""
        request = messages().GetActionResultRequest(instance_name=self._instance, action_digest=to_wire(action))
        try:
            return self._channel.call("GetActionResult", request)
        except AbsentError:
            return None

    def publish(self, action: Digest, result: Any) -> None:
        """Put a result into the action cache; its blobs are there already."""
        request = messages().UpdateActionResultRequest(
            instance_name=self._instance, action_digest=to_wire(action), action_result=result
        )
        self._channel.call("UpdateActionResult", request)

    def run(self, action: Digest, *, anew: bool = False) -> tuple[Any, bool]:
        """The result of running an action, and whether the service knew it already.

        LostError when that cannot be had even after trying again; MissingInputsError when the service lost inputs.
        """
        deadline = time.monotonic() + self._seconds
        said = ""
        for pause in self._channel.patience.pauses():
            self._channel.pause(pause)
            answer = self._channel.again(lambda: self._answer(action, deadline, anew=anew))
            status = answer.status
            if status.code == 0:
                return answer.result, answer.cached_result
            said = status.message or answer.message or f"code {status.code}"
            if status.code == _FAILED_PRECONDITION:
                raise MissingInputsError(f"{self._channel.address}: {said}")
            if status.code not in PASSING_CODES:
                break
        raise LostError(f"{self._channel.address}: the action was not run: {said}")

    def _answer(self, action: Digest, deadline: float, *, anew: bool) -> Any:
        """Start it and follow it to its end; a stream that breaks off is taken up again by the operation's name."""
        kinds = messages()
        request = kinds.ExecuteRequest(
            instance_name=self._instance, action_digest=to_wire(action), skip_cache_lookup=anew
        )
        name, call = "", ("Execute", request)
        for pause in self._channel.patience.pauses():
            self._channel.pause(pause)
            try:
                for operation in self._followed(*call, deadline):
                    name = operation.name or name
                    if operation.done:
                        return _response(operation)
            except self._channel.errors as error:
                meant = self._channel.meaning(error)
                if not isinstance(meant, LostError | AbsentError):
                    raise meant from error
                if isinstance(meant, AbsentError):
                    name = ""  # it does not know the operation any more
            call = ("WaitExecution", kinds.WaitExecutionRequest(name=name)) if name else ("Execute", request)
        raise LostError(f"{self._channel.address}: the connection breaks off again and again")

    def _followed(self, name: str, request: Any, deadline: float) -> Iterator[Any]:
        """The operation's messages; when none comes for a while the service must show that it lives."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise LostError(f"{self._channel.address}: not done within {self._seconds:.0f} seconds")
        stream = self._channel.start(name, request, left)
        arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        Thread(target=_pump, args=(stream, arrived), daemon=True).start()
        try:
            while True:
                try:
                    item = arrived.get(timeout=_SILENCE)
                except queue.Empty:
                    if not self._channel.is_alive(_ANSWER):
                        raise LostError(f"{self._channel.address}: does not answer any more") from None
                    continue
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            stream.cancel()


def _pump(stream: Any, arrived: "queue.SimpleQueue[Any]") -> None:
    """Wait in a thread of its own for what a stream brings: its messages, then None or what ended it."""
    try:
        for item in stream:
            arrived.put(item)
        arrived.put(None)
    except Exception as error:  # noqa: BLE001 — handed to who reads
        arrived.put(error)


def _response(operation: Any) -> Any:
    if operation.error.code:
        return messages().ExecuteResponse(status=operation.error)
    return messages().ExecuteResponse.FromString(operation.response.value)
