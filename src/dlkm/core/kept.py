# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers kept between runs in the user's cache: sealed, bounded, and never missed. What they mean is not known here.

Loads little: who is answered from here has hardly more to do than to start. An answer lies in a file of its own, behind
a seal: a keyed digest whose key lies outside the cache (`$XDG_STATE_HOME/dlkm/seal`). What was damaged, cut off, made
by another user or restored from somebody else's cache has no seal, or not ours, and is as if it were not there.
"""

import os
from _blake2 import blake2b  # what hashlib has, without the millisecond that OpenSSL takes
from stat import S_ISREG

LARGEST = 8 << 20  # bytes of one answer
ROOM = 64 << 20  # bytes of all of them
_COUNT = 256  # of all of them
_SEAL = 32  # bytes
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Kept:
    """The answers below a directory; by default the user's own."""

    def __init__(self, home: str | None = None, key: str | None = None) -> None:
        self._home = home or f"{base('XDG_CACHE_HOME', '.cache')}/dlkm/answers"
        self._key = key or f"{base('XDG_STATE_HOME', '.local/state')}/dlkm/seal"

    def get(self, question: bytes) -> bytes | None:
        """What is kept for a question; None for nothing, and for anything that we did not write like this."""
        secret = _own(self._key, 64)
        if secret is None or len(secret) != _SEAL:
            return None
        path = self._path(question)
        raw = _own(path, LARGEST + _SEAL)
        if raw is None or raw[:_SEAL] != _seal(secret, question, raw[_SEAL:]):
            return None
        try:  # noqa: SIM105 — contextlib takes longer to load than all of this
            os.utime(path)  # the ones that are asked for stay
        except OSError:
            pass  # a cache that may only be read is of use, too
        return raw[_SEAL:]

    def put(self, question: bytes, answer: bytes) -> None:
        """Keep an answer; one that is too large, or for which there is no place, is not kept."""
        from contextlib import suppress

        from dlkm.core.errors import DlkmError

        with suppress(OSError, DlkmError):
            secret = self._secret()
            if len(answer) <= LARGEST and secret is not None:
                _write(self._path(question), _seal(secret, question, answer) + answer)
                make_room(self._home, ROOM, _COUNT)

    def _path(self, question: bytes) -> str:
        return f"{self._home}/{blake2b(question, digest_size=16).hexdigest()}"

    def _secret(self) -> bytes | None:
        """The key of the seals, made when there is none; None when it is not ours alone."""
        if not os.path.lexists(self._key):
            _write(self._key, os.urandom(_SEAL))
        secret = _own(self._key, 64)
        return secret if secret is not None and len(secret) == _SEAL else None


def make_room(home: str, room: int, count: int) -> None:
    """Remove from a directory of files what was touched the longest ago, but for `room` bytes and `count` files.

    OSError when there is no such directory.
    """
    from contextlib import suppress

    found = []
    with os.scandir(home) as entries:
        for entry in entries:
            with suppress(OSError):  # another process makes room, too
                found.append((entry.stat(follow_symlinks=False), entry.path))
    found.sort(key=lambda one: one[0].st_mtime_ns, reverse=True)
    total = 0
    for number, (status, path) in enumerate(found):
        total += status.st_size
        if number and (total > room or number >= count):
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108 — pathlib takes five times as long to load as all of this


def base(variable: str, below_home: str) -> str:
    """A directory of the XDG Base Directory specification; a relative one is ignored, as it asks."""
    named = os.environ.get(variable, "")
    return named if named.startswith("/") else f"{os.path.expanduser('~')}/{below_home}"  # noqa: PTH111 — as above


def _own(path: str, largest: int) -> bytes | None:
    """The bytes of a regular file that is the user's own and nobody else's to write; None for any other."""
    try:
        file = os.open(path, _READ)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            return None
        return os.read(file, status.st_size) if status.st_size <= largest else None
    except OSError:
        return None
    finally:
        os.close(file)


def _write(path: str, content: bytes) -> None:
    from pathlib import Path

    from dlkm.core.files import write_atomically

    write_atomically(Path(path), content, 0o600)


def _seal(secret: bytes, question: bytes, answer: bytes) -> bytes:
    inner = blake2b(question, digest_size=_SEAL).digest()
    return blake2b(inner + answer, digest_size=_SEAL, key=secret, person=b"dlkm answer").digest()
