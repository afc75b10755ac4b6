# SPDX-License-Identifier: GPL-2.0-or-later
"""One connection to a service: calls with a time limit, tried again where that may help. Loads gRPC on first use."""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from threading import Event
from typing import Any, TypeVar

from dlkm.core.errors import UsageError, WorkerLostError
from dlkm.remote.address import Address, Identity, read_public, read_secret

_Value = TypeVar("_Value")

# What may go away by itself. INTERNAL, too: it is what a worker that was killed leaves (buildbox-casd).
_PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNKNOWN", "CANCELLED"}
PASSING_CODES = {1, 2, 4, 8, 10, 13, 14}  # the same in google.rpc.Code
_MESSAGE_LIMIT = 64 << 20  # bytes; batches are smaller, a list of missing blobs may be larger than gRPC's usual 4 MiB


class LostError(WorkerLostError):
    """The service cannot be reached, or does not answer as one."""


class RefusedError(UsageError):
    """The service does not let us in, or not do this."""


class AbsentError(Exception):
    """What was asked for is not there."""


class MissingInputsError(Exception):
    """The service lost inputs that it had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`seconds` is what one call may take, `tries` how often it is made, `pause` seconds before the second time."""

    seconds: float = 60.0
    tries: int = 5
    pause: float = 0.25

    def pauses(self) -> Iterator[float]:
        """Before the first try none, then longer and longer, spread so that not everybody comes back at once."""
        yield 0.0
        for number in range(self.tries - 1):
            yield self.pause * 2**number * random.uniform(0.75, 1.25)  # noqa: S311 — spreads load, keeps no secret


class Channel:
    """A connection; made on the first call."""

    def __init__(self, address: Address, identity: Identity, patience: Patience | None = None) -> None:
        identity.check(address)
        self.address, self.patience = address, patience or Patience()
        self._identity = identity
        self._stopping = Event()
        self._credentials = self._read_credentials()
        token = identity.token
        self._metadata = (("authorization", f"Bearer {_token(read_secret(token), token)}"),) if token else ()

    def _read_credentials(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Read at once: who is told of a missing file early can mend it."""
        own = self._identity
        return (
            read_public(own.authority) if own.authority else None,
            read_secret(own.key) if own.key else None,
            read_public(own.certificate) if own.certificate else None,
        )

    @cached_property
    def _grpc(self) -> Any:
        # Its threads and our children must not meet, and what it has to say comes as errors.
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        import grpc

        return grpc

    @property
    def errors(self) -> type[Exception]:
        """What a call raises: see `meaning`."""
        kind: type[Exception] = self._grpc.RpcError
        return kind

    @cached_property
    def _channel(self) -> Any:
        limits = [("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.max_send_message_length", _MESSAGE_LIMIT)]
        proxy = [("grpc.enable_http_proxy", 0)] if self.address.is_loopback else []
        backoff = [("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 5000)]
        options = [*limits, *proxy, *backoff]
        if not self.address.secure:
            return self._grpc.insecure_channel(self.address.target, options)
        credentials = self._grpc.ssl_channel_credentials(*self._credentials)
        return self._grpc.secure_channel(self.address.target, credentials, options)

    @cached_property
    def _calls(self) -> dict[str, Any]:
        from dlkm.remote.messages import messages, table

        makers = {
            "unary": self._channel.unary_unary,
            "answers stream": self._channel.unary_stream,
            "requests stream": self._channel.stream_unary,
        }
        return {
            name: makers[kind](
                f"/{service}/{name}",
                request_serializer=getattr(messages(), request).SerializeToString,
                response_deserializer=getattr(messages(), answer).FromString,
            )
            for name, (service, request, answer, kind) in table()["calls"].items()
        }

    def start(self, name: str, request: Any, seconds: float | None = None) -> Any:
        """Begin a call: its answer, or the iterator of its answers. Errors are gRPC's: see `again`."""
        limit = seconds if seconds is not None else self.patience.seconds
        return self._calls[name](request, timeout=limit, metadata=self._metadata)

    def call(self, name: str, request: Any, seconds: float | None = None) -> Any:
        """A call with one answer, made again where that may help; errors as those of `again`."""
        return self.again(lambda: self.start(name, request, seconds))

    def again(self, action: Callable[[], _Value]) -> _Value:
        """Do something that makes calls, again when what failed may pass.

        LostError when it does not pass; RefusedError, AbsentError or MissingInputsError for an answer that is a no.
        """
        last: Exception | None = None
        for pause in self.patience.pauses():
            self.pause(pause)
            try:
                return action()
            except self._grpc.RpcError as error:
                last = error
                if _code(error) not in _PASSING:
                    break
        assert last is not None
        raise self.meaning(last) from last

    def pause(self, seconds: float) -> None:
        """Wait; KeyboardInterrupt when the run was stopped."""
        if self._stopping.wait(seconds):
            raise KeyboardInterrupt

    def meaning(self, error: Any) -> Exception:
        """gRPC's error as one of ours."""
        code, said = _code(error), " ".join(str(error.details() or "").split())[:300]
        what = f"{self.address}: {said or code.lower()}"
        if code == "NOT_FOUND":
            return AbsentError(what)
        if code == "FAILED_PRECONDITION":
            return MissingInputsError(what)
        if code == "UNAUTHENTICATED":
            return RefusedError(f"{what} (not authenticated)", hint="--remote-token, --remote-cert and --remote-key")
        if code == "UNIMPLEMENTED":
            return RefusedError(f"{what} (not offered)", hint="another service, or another instance of this one")
        if code == "PERMISSION_DENIED":
            return RefusedError(f"{what} (permission denied)", hint="ask who runs the service what you may do there")
        return LostError(f"{what} ({code.lower().replace('_', ' ')})")

    def is_alive(self, seconds: float) -> bool:
        """Whether the service answers at all within some seconds."""
        from dlkm.remote.messages import messages

        try:
            self.start(
                "GetCapabilities", messages().GetCapabilitiesRequest(instance_name=self.address.instance), seconds
            )
        except self._grpc.RpcError as error:
            return _code(error) not in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
        return True

    def close(self) -> None:
        """End the connection, and with it all calls; nothing is tried again."""
        self._stopping.set()
        if "_channel" in self.__dict__:
            self._channel.close()


def _code(error: Any) -> str:
    return str(error.code().name)


def _token(data: bytes, path: Any) -> str:
    text = data.decode("ascii", "replace").strip()
    if not text or not all("!" <= letter <= "~" for letter in text):
        raise UsageError(f"{path}: holds no token: one word of printable ASCII")
    return text
