# SPDX-License-Identifier: GPL-2.0-or-later
"""A service's content-addressed storage: what it lacks goes up, what we lack comes down, and every byte is checked."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any
from uuid import uuid4

from dlkm.action.digest import Digest, digest_of, digest_of_file
from dlkm.action.store import Store
from dlkm.action.tree import Blobs
from dlkm.core.errors import UsageError
from dlkm.core.files import StorageError
from dlkm.remote.channel import AbsentError, Channel, LostError
from dlkm.remote.messages import from_wire, messages, to_wire

_CHUNK = 1 << 20  # bytes of one message of a stream
_BATCH = 3 << 20  # bytes of blobs in one message, where the service names no limit: gRPC's usual is 4 MiB
_ASKED = 8000  # digests in one question
_IN_BATCH = 1000  # blobs in one message
_RATE = 100_000  # bytes a second that a transfer must at least reach
_SHA256 = 1  # DigestFunction.SHA256


class WrongBytesError(Exception):
    """The service gave other bytes than their digest says."""


class Cas:
    """The storage of one service. `present` remembers in this run what it has."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._instance = channel.address.instance
        self._present: set[Digest] = set()
        self._lock = Lock()

    @cached_property
    def capabilities(self) -> Any:
        """What the service can do; UsageError when it does not know SHA-256."""
        found = self._channel.call("GetCapabilities", messages().GetCapabilitiesRequest(instance_name=self._instance))
        functions = list(found.cache_capabilities.digest_functions)
        if functions and _SHA256 not in functions:
            raise UsageError(f"{self._channel.address}: the service does not know digests by SHA-256")
        return found

    @cached_property
    def _batch(self) -> int:
        named = self.capabilities.cache_capabilities.max_batch_total_size_bytes
        return min(named, _BATCH) if named > 0 else _BATCH

    def forget(self) -> None:
        """Take nothing for present any more."""
        with self._lock:
            self._present.clear()

    # Up

    def upload(self, blobs: Blobs) -> int:
        """Send those of the blobs that the service lacks; how many bytes went."""
        wanted = [digest for digest in (*blobs.data, *blobs.paths) if digest not in self._present]
        missing = list(self._missing(wanted))
        small = [digest for digest in missing if digest.size <= self._batch // 4]
        for digests in _batches(small, self._batch):
            self._send_batch(digests, blobs)
        for digest in set(missing) - set(small):
            self._channel.again(partial(self._send_stream, digest, blobs))
        with self._lock:
            self._present.update(wanted)
        return sum(digest.size for digest in missing)

    def _missing(self, digests: list[Digest]) -> Iterator[Digest]:
        asked = set(digests)
        for start in range(0, len(digests), _ASKED):
            part = [to_wire(digest) for digest in digests[start : start + _ASKED]]
            request = messages().FindMissingBlobsRequest(instance_name=self._instance, blob_digests=part)
            answer = self._channel.call("FindMissingBlobs", request)
            with suppress(ValueError):
                # Nothing is sent but what was asked about, whatever the service names.
                yield from (found for one in answer.missing_blob_digests if (found := from_wire(one)) in asked)

    def _send_batch(self, digests: list[Digest], blobs: Blobs) -> None:
        kinds = messages()
        waiting = [kinds.BlobToUpdate(digest=to_wire(digest), data=_bytes_of(digest, blobs)) for digest in digests]
        said = ""
        for _try in range(self._channel.patience.tries):
            request = kinds.BatchUpdateBlobsRequest(instance_name=self._instance, requests=waiting)
            answer = self._channel.call("BatchUpdateBlobs", request)
            failed = {one.digest.hash: one.status for one in answer.responses if one.status.code != 0}
            waiting = [one for one in waiting if one.digest.hash in failed]
            if not waiting:
                return
            status = failed[waiting[0].digest.hash]
            said = status.message or f"code {status.code}"
        raise LostError(f"{self._channel.address}: takes no blobs: {said}")

    def _send_stream(self, digest: Digest, blobs: Blobs) -> None:
        name = f"uploads/{uuid4()}/blobs/{digest}"
        requests = self._writes(f"{self._instance}/{name}" if self._instance else name, digest, blobs)
        answer = self._channel.start("Write", requests, self._seconds(digest.size))
        if answer.committed_size not in {digest.size, -1}:
            raise LostError(f"{self._channel.address}: took {answer.committed_size} of {digest.size} bytes")

    @staticmethod
    def _writes(name: str, digest: Digest, blobs: Blobs) -> Iterator[Any]:
        offset = 0
        with _opened(digest, blobs) as stream:
            while chunk := stream.read(_CHUNK):
                end = offset + len(chunk)
                yield messages().WriteRequest(
                    resource_name=name, write_offset=offset, finish_write=end == digest.size, data=chunk
                )
                offset = end

    # Down

    def download(self, digests: Iterable[Digest], store: Store) -> None:
        """Bring blobs into the store; AbsentError, WrongBytesError or LostError when one cannot be had as named."""
        wanted = [digest for digest in dict.fromkeys(digests) if not store.has(digest)]
        small = [digest for digest in wanted if digest.size <= self._batch // 4]
        for part in _batches(small, self._batch):
            for digest, data in self._read_batch(part):
                _check(digest, store.put(data))
        for digest in set(wanted) - set(small):
            self._read_stream(digest, store)

    def read(self, digest: Digest, limit: int) -> bytes:
        """One blob's bytes; errors as those of `download`, WrongBytesError for one that is too large."""
        if digest.size > limit:
            raise WrongBytesError(f"{self._channel.address}: {digest.size} bytes where at most {limit} make sense")
        if digest.size <= self._batch // 4:
            return self._read_batch([digest])[0][1]
        with TemporaryFile() as into:
            self._receive(digest, into)
            into.seek(0)
            data = into.read()
        _check(digest, digest_of(data))
        return data

    def _read_batch(self, digests: list[Digest]) -> list[tuple[Digest, bytes]]:
        request = messages().BatchReadBlobsRequest(
            instance_name=self._instance, digests=[to_wire(digest) for digest in digests]
        )
        answer = self._channel.call("BatchReadBlobs", request)
        got = {one.digest.hash: one for one in answer.responses}
        for digest in digests:
            one = got.get(digest.hash)
            if one is None or one.status.code != 0:
                raise AbsentError(f"{self._channel.address}: has not {digest}, of which it spoke")
            _check(digest, digest_of(one.data))
        return [(digest, got[digest.hash].data) for digest in digests]

    def _read_stream(self, digest: Digest, store: Store) -> None:
        with TemporaryFile() as into:
            self._receive(digest, into)
            into.seek(0)
            _check(digest, store.put_stream(into))

    def _receive(self, digest: Digest, into: IO[bytes]) -> None:
        """Read a blob, going on where a stream broke off."""
        name = f"{self._instance}/blobs/{digest}" if self._instance else f"blobs/{digest}"
        for _try in range(self._channel.patience.tries):
            self._channel.again(lambda: self._receive_some(name, digest, into))
            if into.tell() >= digest.size:
                return
        raise LostError(f"{self._channel.address}: breaks off after {into.tell()} of {digest.size} bytes")

    def _receive_some(self, name: str, digest: Digest, into: IO[bytes]) -> None:
        request = messages().ReadRequest(resource_name=name, read_offset=into.tell())
        for answer in self._channel.start("Read", request, self._seconds(digest.size)):
            into.write(answer.data)
            if into.tell() > digest.size:
                raise WrongBytesError(f"{self._channel.address}: more than the {digest.size} bytes of {digest.hash}")

    def _seconds(self, size: int) -> float:
        return self._channel.patience.seconds + size / _RATE


def _check(wanted: Digest, got: Digest) -> None:
    if wanted != got:
        raise WrongBytesError(f"asked for {wanted}, got {got}")


def _batches(digests: list[Digest], limit: int) -> Iterator[list[Digest]]:
    """Groups that fit into one message."""
    batch: list[Digest] = []
    size = 0
    for digest in digests:
        if batch and (size + digest.size > limit or len(batch) == _IN_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(digest)
        size += digest.size
    if batch:
        yield batch


def _bytes_of(digest: Digest, blobs: Blobs) -> bytes:
    data = blobs.data.get(digest)
    if data is not None:
        return data
    data = blobs.paths[digest].read_bytes()
    if digest_of(data) != digest:
        raise _changed(blobs.paths[digest])
    return data


def _opened(digest: Digest, blobs: Blobs) -> IO[bytes]:
    if digest in blobs.data:
        stream = TemporaryFile()  # noqa: SIM115 — the caller closes it
        stream.write(blobs.data[digest])
        stream.seek(0)
        return stream
    path = blobs.paths[digest]
    if digest_of_file(path) != digest:
        raise _changed(path)
    return path.open("rb")


def _changed(path: Path) -> StorageError:
    return StorageError(f"{path} changed while it was being sent")
