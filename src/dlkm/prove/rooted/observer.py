# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's half of what a booted root filesystem is asked (guest/guest.h, 2.); knows no module and no unit."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dlkm.core.errnos import errno_name
from dlkm.core.errors import DlkmError, ExitStatus
from dlkm.prove.conversation import Speaker

ANSWER_TIME = 60.0  # seconds for one answer; a guest under TCG on a busy host is slow
MOST_NOISE = 10_000  # lines of others on the channel
MOST_ITEMS = 100_000  # of one answer
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(e))")
_UNSAFE = re.compile(rb"[^!-\[\]-~]")


class GuestLostError(DlkmError):
    """The guest does not answer any more, or not as ours do; `what` says how it ended, `console` what it showed."""

    status = ExitStatus.NO

    def __init__(self, what: str, console: bytes = b"") -> None:
        super().__init__(what)
        self.console = console


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A program that ran in the guest; `status` is None when it took too long, 127 when there is none of that name."""

    status: int | None
    output: str


class Observer:
    """Asks the guest of one boot."""

    def __init__(self, guest: Speaker, nonce: str) -> None:
        self._guest = guest
        self._nonce = nonce.encode()
        self._number = 0

    def read(self, pattern: str) -> dict[str, bytes]:
        """The content of each file that the glob matches, up to 1 MiB; what cannot be read is left out."""
        return self._items("read", pattern)

    def text(self, path: str) -> str:
        """One file's text without white space around it; empty when it cannot be read."""
        return self.read(path).get(path, b"").decode("utf-8", "replace").strip()

    def links(self, pattern: str) -> dict[str, str]:
        """What each link that the glob matches says; what is no link is left out."""
        return {path: target.decode("utf-8", "replace") for path, target in self._items("link", pattern).items()}

    def status(self, pattern: str) -> dict[str, str]:
        """`MODE:UID:GID:MAJOR:MINOR` of each path that the glob matches, links followed; the mode is octal."""
        return {path: words.decode() for path, words in self._items("stat", pattern).items()}

    def run(self, *words: str, seconds: int = 30) -> Ran:
        """Run a program of the root filesystem; it is killed when it takes longer."""
        status, items = self._ask("run", str(seconds), *words, patience=seconds + ANSWER_TIME)
        said = b"".join(value for kind, value in items if kind == "said")
        return Ran(status=None if status < 0 else status, output=said.decode("utf-8", "replace"))

    def reboot(self) -> None:
        """Let it restart: by its own `reboot`, else at once."""
        self._ask("reboot")

    def root_starts(self, patience: float) -> Iterator[str]:
        """Wait until its init runs; complaints about drivers. GuestLostError when it does not come so far."""
        deadline = time.monotonic() + patience
        while True:
            word, *rest = self._next(deadline)
            if word == b"driver" and len(rest) == 2:
                yield f"the driver {rest[0].decode()} does not load: {errno_name(_number(rest[1]))}"
            elif word == b"root" and rest == [b"0"]:
                return
            elif word == b"root" and len(rest) == 1:
                raise GuestLostError(f"its root filesystem or its init does not start: {errno_name(_number(rest[0]))}")

    def _items(self, verb: str, pattern: str) -> dict[str, bytes]:
        _, items = self._ask(verb, pattern)
        found: dict[str, bytes] = {}
        for path, value in items:
            found[path] = found.get(path, b"") + value
        return found

    def _ask(self, *words: str, patience: float = ANSWER_TIME) -> tuple[int, list[tuple[str, bytes]]]:
        """The status of the answer and its parts; `patience` is for each line."""
        self._number += 1
        number = str(self._number).encode()
        self._guest.send(b" ".join([number, *(_escaped(word) for word in words)]) + b"\n")
        items: list[tuple[str, bytes]] = []
        while len(items) < MOST_ITEMS:
            kind, *rest = self._next(time.monotonic() + patience)
            if rest[:1] != [number]:
                continue
            if kind == b"end" and len(rest) == 2:
                return _number(rest[1]), items
            if kind == b"item" and len(rest) > 2:
                path = _unescaped(rest[1]).decode("utf-8", "surrogateescape")
                items.append((path, _unescaped(b" ".join(rest[2:]))))
            elif kind == b"said" and len(rest) > 1:
                items.append(("said", _unescaped(b" ".join(rest[1:]))))
        raise GuestLostError("the guest answers without end")

    def _next(self, deadline: float) -> list[bytes]:
        """The words of the next line that is the guest's own: others' noise is passed over."""
        for _ in range(MOST_NOISE):
            line = self._guest.line(max(0.0, deadline - time.monotonic()))
            if line is None:
                gone = "the machine went off" if self._guest.ended else "the guest fell silent"
                raise GuestLostError(gone)
            nonce, *words = line.split(b" ")
            if nonce == self._nonce and words:
                return words
        raise GuestLostError("something else than the guest writes to its channel")


def _number(word: bytes) -> int:
    try:
        return int(word)
    except ValueError:
        raise GuestLostError("the guest says what it cannot say") from None


def _escaped(word: str) -> bytes:
    raw = word.encode("utf-8", "surrogateescape")
    return _UNSAFE.sub(lambda byte: b"\\x%02x" % byte[0][0], raw) or b"\\e"


def _unescaped(word: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: b"" if found[2] else bytes([int(found[1], 16)]), word)
