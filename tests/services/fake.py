# SPDX-License-Identifier: GPL-2.0-or-later
"""A service of our own that can be told to misbehave, and that remembers what it was sent. Runs actions in a directory.

Its messages are those of the code under test; that these are the real ones is held against real services elsewhere.
"""

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc

from dlkm.action.digest import Digest, digest_of
from dlkm.remote.messages import classes, from_wire, messages, table, to_wire

_INSIDE = classes(
    table()["messages"]
    | {
        "Variable": {"name": [1, "string"], "value": [2, "string"]},
        "Command": {
            "arguments": [1, "repeated string"],
            "environment_variables": [2, "repeated Variable"],
            "output_paths": [7, "repeated string"],
        },
        "Action": {"command_digest": [1, "Digest"], "input_root_digest": [2, "Digest"]},
    }
)


@dataclass
class Faults:
    """How it misbehaves: numbers count down, a call at a time."""

    unavailable: int = 0  # calls of any kind that end with UNAVAILABLE
    wrong_bytes: int = 0  # blobs that are read as something else
    truncated: int = 0  # streams that end early, as if that were all
    broken: int = 0  # streams that break off
    lost_worker: int = 0  # executions that end with INTERNAL, as buildbox-casd says of a killed worker
    forgets_inputs: int = 0  # executions before which it forgets all blobs
    cut_execution: int = 0  # Execute streams that break off after the operation's name
    hangs: bool = False  # never answers
    denies: str = ""  # the call that is not permitted
    runs: bool = True  # whether it offers to run actions
    results: dict[str, Any] = field(default_factory=dict)  # what the action cache says, by the action's hash
    answer: Any = None  # the result of every execution, in place of running anything


class Fake:
    """Listens on the loopback address while the block lasts."""

    def __init__(
        self, folder: Path, *, wants_token: str = "", batch: int = 0, environment: dict[str, str] | None = None
    ) -> None:
        self.faults = Faults()
        self.blobs: dict[Digest, bytes] = {}
        self.actions: dict[str, Any] = {}
        self.calls: list[str] = []
        self.sent: list[Digest] = []  # blobs that were sent here
        self.executed: list[Digest] = []
        self._folder, self._wants, self._batch = folder, wants_token, batch
        self._environment = environment or {}
        self._writing: dict[str, bytearray] = {}
        self._operations: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16))
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def address(self) -> str:
        return f"grpc://127.0.0.1:{self.port}/main/one"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopped.set()
        self._server.stop(0).wait(10)

    # Called by the handlers

    def admit(self, name: str, context: Any) -> None:
        with self._lock:
            self.calls.append(name)
            if self.faults.unavailable > 0:
                self.faults.unavailable -= 1
                context.abort(grpc.StatusCode.UNAVAILABLE, "away for a moment")
        while self.faults.hangs and not self._stopped.wait(0.05):
            if not context.is_active():
                return
        if self.faults.denies == name:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{name} is not for you")
        if self._wants and ("authorization", f"Bearer {self._wants}") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

    def _counts(self, name: str) -> bool:
        with self._lock:
            left = getattr(self.faults, name)
            setattr(self.faults, name, max(0, left - 1))
            return bool(left > 0)

    def GetCapabilities(self, request: Any, _context: Any) -> Any:  # noqa: N802 — the call's name
        assert request.instance_name == "main/one"
        kinds = messages()
        return kinds.ServerCapabilities(
            cache_capabilities=kinds.CacheCapabilities(digest_functions=[1], max_batch_total_size_bytes=self._batch),
            execution_capabilities=kinds.ExecutionCapabilities(digest_function=1, exec_enabled=self.faults.runs),
        )

    def GetActionResult(self, request: Any, context: Any) -> Any:  # noqa: N802
        known = self.faults.results.get(request.action_digest.hash) or self.actions.get(request.action_digest.hash)
        if known is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such action")
        return known

    def UpdateActionResult(self, request: Any, _context: Any) -> Any:  # noqa: N802
        self.actions[request.action_digest.hash] = request.action_result
        return request.action_result

    def FindMissingBlobs(self, request: Any, _context: Any) -> Any:  # noqa: N802
        missing = [one for one in request.blob_digests if from_wire(one) not in self.blobs]
        return messages().FindMissingBlobsResponse(missing_blob_digests=missing)

    def BatchUpdateBlobs(self, request: Any, _context: Any) -> Any:  # noqa: N802
        kinds, answers = messages(), []
        for one in request.requests:
            digest = from_wire(one.digest)
            good = digest_of(one.data) == digest
            if good:
                self._take(digest, one.data)
            answers.append(kinds.BlobUpdated(digest=one.digest, status=kinds.Status(code=0 if good else 3)))
        return kinds.BatchUpdateBlobsResponse(responses=answers)

    def _take(self, digest: Digest, data: bytes) -> None:
        with self._lock:
            self.blobs[digest] = data
            self.sent.append(digest)

    def BatchReadBlobs(self, request: Any, _context: Any) -> Any:  # noqa: N802
        kinds, answers = messages(), []
        for one in request.digests:
            data = self.blobs.get(from_wire(one))
            if data is not None and self._counts("wrong_bytes"):
                data = b"x" * len(data)
            status = kinds.Status(code=0 if data is not None else 5)
            answers.append(kinds.BlobRead(digest=one, data=data or b"", status=status))
        return kinds.BatchReadBlobsResponse(responses=answers)

    def Read(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        digest = Digest.parse("/".join(request.resource_name.split("/")[-2:]))
        data = self.blobs.get(digest)
        if data is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such blob")
        assert data is not None
        if self._counts("wrong_bytes"):
            data = b"x" * len(data)
        data = data[request.read_offset :]
        truncated, broken = self._counts("truncated"), self._counts("broken")
        if truncated or broken:
            data = data[: len(data) // 2]
        for start in range(0, len(data), 65536):
            yield messages().ReadResponse(data=data[start : start + 65536])
        if broken:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")

    def Write(self, requests: Iterator[Any], context: Any) -> Any:  # noqa: N802
        name, data = "", bytearray()
        for one in requests:
            name = one.resource_name or name
            assert one.write_offset == len(data)
            data += one.data
            if self._counts("broken"):
                context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")
        digest = Digest.parse("/".join(name.split("/")[-2:]))
        if digest_of(bytes(data)) != digest:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "wrong digest")
        self._take(digest, bytes(data))
        return messages().WriteResponse(committed_size=len(data))

    def Execute(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        kinds, digest = messages(), from_wire(request.action_digest)
        name = hashlib.sha256(os.urandom(8)).hexdigest()
        if self._counts("forgets_inputs"):
            self.blobs.clear()
            yield self._done(name, kinds.ExecuteResponse(status=kinds.Status(code=9, message="blobs are missing")))
            return
        if self._counts("lost_worker"):
            yield self._done(name, kinds.ExecuteResponse(status=kinds.Status(code=13, message="the worker is gone")))
            return
        yield kinds.Operation(name=name)
        self._operations[name] = digest
        if self._counts("cut_execution"):
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")
        yield self._finished(name, anew=request.skip_cache_lookup)

    def WaitExecution(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        if request.name not in self._operations:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such operation")
        yield self._finished(request.name, anew=False)

    def _finished(self, name: str, *, anew: bool) -> Any:
        digest = self._operations[name]
        known = None if anew else self.actions.get(digest.hash)
        result = known or self.faults.answer or self._run(digest)
        if result.exit_code == 0:
            self.actions[digest.hash] = result
        return self._done(name, messages().ExecuteResponse(result=result, cached_result=known is not None))

    @staticmethod
    def _done(name: str, response: Any) -> Any:
        kinds = messages()
        return kinds.Operation(name=name, done=True, response=kinds.Any(value=response.SerializeToString()))

    def _run(self, digest: Digest) -> Any:
        """Lay the inputs out in a directory and run the command there, as simple workers do."""
        self.executed.append(digest)
        action = _INSIDE.Action.FromString(self.blobs[digest])
        command = _INSIDE.Command.FromString(self.blobs[from_wire(action.command_digest)])
        place = self._folder / f"action-{len(self.executed)}"
        self._lay_out(from_wire(action.input_root_digest), place)
        env = {one.name: one.value for one in command.environment_variables} | self._environment
        done = subprocess.run(list(command.arguments), cwd=place, env=env, capture_output=True, check=False)
        kinds = messages()
        result = kinds.ActionResult(exit_code=done.returncode, stdout_raw=done.stdout, stderr_raw=done.stderr)
        for path in command.output_paths:
            if (place / path).is_dir():
                tree = kinds.Tree()
                self._gather(place / path, tree.root, tree)
                data = tree.SerializeToString()
                self.blobs[digest_of(data)] = data
                result.output_directories.add(path=path, tree_digest=to_wire(digest_of(data)))
        return result

    def _lay_out(self, digest: Digest, place: Path) -> None:
        place.mkdir()
        directory = messages().Directory.FromString(self.blobs[digest])
        for file in directory.files:
            path = place / file.name
            path.write_bytes(self.blobs[from_wire(file.digest)])
            path.chmod(0o555 if file.is_executable else 0o444)
        for link in directory.symlinks:
            (place / link.name).symlink_to(link.target)
        for folder in directory.directories:
            self._lay_out(from_wire(folder.digest), place / folder.name)

    def _gather(self, place: Path, directory: Any, tree: Any) -> None:
        for path in sorted(place.iterdir()):
            if path.is_symlink():
                directory.symlinks.add(name=path.name, target=str(path.readlink()))
            elif path.is_dir():
                child = messages().Directory()
                self._gather(path, child, tree)
                tree.children.append(child)
                directory.directories.add(name=path.name, digest=to_wire(digest_of(child.SerializeToString())))
            else:
                data = path.read_bytes()
                self.blobs[digest_of(data)] = data
                executable = bool(path.stat().st_mode & 0o100)
                directory.files.add(name=path.name, digest=to_wire(digest_of(data)), is_executable=executable)


def reachable(service: Fake, action: Digest) -> set[Digest]:
    """All that an action's inputs name, the action and its command included."""
    message = _INSIDE.Action.FromString(service.blobs[action])
    found = {action, from_wire(message.command_digest)}
    waiting = [from_wire(message.input_root_digest)]
    while waiting:
        digest = waiting.pop()
        found.add(digest)
        directory = messages().Directory.FromString(service.blobs[digest])
        found |= {from_wire(file.digest) for file in directory.files}
        waiting += [from_wire(folder.digest) for folder in directory.directories]
    return found


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc] # grpcio has no types
    def __init__(self, fake: Fake) -> None:
        self._fake = fake

    def service(self, details: Any) -> Any:
        service, _, name = details.method.lstrip("/").partition("/")
        known, request, _answer, kind = table()["calls"][name]
        assert known == service
        make = {
            "unary": grpc.unary_unary_rpc_method_handler,
            "answers stream": grpc.unary_stream_rpc_method_handler,
            "requests stream": grpc.stream_unary_rpc_method_handler,
        }[kind]
        method = getattr(self._fake, name)

        def call(request: Any, context: Any) -> Any:
            self._fake.admit(name, context)
            return method(request, context)

        def stream(request: Any, context: Any) -> Iterator[Any]:
            self._fake.admit(name, context)
            yield from method(request, context)

        return make(
            stream if kind == "answers stream" else call,
            request_deserializer=getattr(messages(), request).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
