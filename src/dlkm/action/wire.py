# SPDX-License-Identifier: GPL-2.0-or-later
"""The messages that have digests, as canonical bytes: what protobuf writes, without loading it. Reads nothing.

A key is looked up before anything else happens, and protobuf takes longer to load than twenty look-ups. The layouts are
those of build/bazel/remote/execution/v2/remote_execution.proto; a test holds them against the real thing.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from dlkm.action.digest import Digest

_Value = TypeVar("_Value")
_VARINT, _BYTES = 0, 2  # protobuf's wire types


_SMALL = tuple(bytes([value]) for value in range(0x80))  # nearly all: a kernel has a hundred thousand of them


def _varint(value: int) -> bytes:
    if value < len(_SMALL):
        return _SMALL[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    """A number; zero is not written."""
    return _varint(field << 3 | _VARINT) + _varint(value) if value else b""


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    """A string; an empty one is not written."""
    return _bytes(field, _raw(text)) if text else b""


def _raw(text: str) -> bytes:
    """File names may be no UTF-8; a server may refuse them, a cache on disk need not."""
    return text.encode("utf-8", "surrogateescape")


def digest(value: Digest) -> bytes:
    """Digest."""
    return _text(1, value.hash) + _number(2, value.size)


def directory(
    files: Mapping[str, tuple[Digest, bool]], folders: Mapping[str, Digest], links: Mapping[str, str]
) -> bytes:
    """Directory: files with their executable bit, directories, symbolic links with their targets; each by name."""
    parts = [
        _bytes(1, _text(1, name) + _bytes(2, digest(what)) + _number(4, int(executable)))
        for name, (what, executable) in _sorted(files)
    ]
    parts += [_bytes(2, _text(1, name) + _bytes(2, digest(what))) for name, what in _sorted(folders)]
    parts += [_bytes(3, _text(1, name) + _text(2, target)) for name, target in _sorted(links)]
    return b"".join(parts)


def _sorted(table: Mapping[str, _Value]) -> list[tuple[str, _Value]]:
    return sorted(table.items(), key=lambda item: _raw(item[0]))


def tree(root: bytes, children: Iterable[bytes]) -> bytes:
    """Tree: encoded directories, the root first."""
    return _bytes(1, root) + b"".join(_bytes(2, child) for child in children)


def platform(properties: Mapping[str, str]) -> bytes:
    """Platform: properties sorted by name."""
    return b"".join(_bytes(1, _text(1, name) + _text(2, value)) for name, value in _sorted(properties))


def command(
    arguments: Iterable[str], environment: Mapping[str, str], outputs: Iterable[str], properties: Mapping[str, str]
) -> bytes:
    """Command; it runs in the input root."""
    return b"".join(
        [
            *(_bytes(1, _raw(word)) for word in arguments),
            *(_bytes(2, _text(1, name) + _text(2, value)) for name, value in _sorted(environment)),
            _bytes(5, platform(properties)),
            *(_bytes(7, _raw(path)) for path in sorted(outputs)),
        ]
    )


def action(command: Digest, root: Digest, seconds: int, properties: Mapping[str, str]) -> bytes:
    """Action: `seconds` is the longest that it may run."""
    return b"".join(
        [
            _bytes(1, digest(command)),
            _bytes(2, digest(root)),
            _bytes(6, _number(1, seconds)),
            _bytes(10, platform(properties)),
        ]
    )
