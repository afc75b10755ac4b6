# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines a guest sends over its channel (guest/guest.h), as values; anything else is garbage. Does no input."""

import re
from collections.abc import Callable
from dataclasses import dataclass

READY = "dlkm1 ready"
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")
_RECORD = re.compile(r"([0-9]+),([0-9]+),([0-9]+),[^;]*;(.*)")
_TAINT = re.compile(r"-|[A-Z]{1,32}")


class GarbageError(Exception):
    """A line that no guest of ours sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRead:
    """The guest has the payload, or an errno says why not."""

    error: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """An attempt begins."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """The kernel logged something while a file was loaded; `lines` is None where records were lost."""

    attempt: int
    file: int
    lines: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How the loading of one file of an attempt ended; 0 is success for `error`, and no signal for `signal`."""

    attempt: int
    file: int
    error: int
    signal: int
    accepted: bool | None
    taint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A line that the attempt's program wrote, or a part of a long one."""

    attempt: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEnded:
    """How the attempt's program ended; an errno in `error` where it could not be started."""

    attempt: int
    error: int
    status: int
    signal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """A module could not be unloaded."""

    attempt: int
    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """An attempt is over."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """All attempts are over."""


Message = PayloadRead | Trying | Logged | Result | Said | ProgramEnded | Stays | Clear | Done


def parse(line: bytes, nonce: str) -> Message:
    """One line without its end; GarbageError for whatever is not exactly as guest/guest.h says."""
    try:
        said, kind, *rest = line.decode("ascii").split(" ", 2)
    except (UnicodeDecodeError, ValueError) as error:
        raise GarbageError from error
    if said != nonce:
        raise GarbageError
    try:
        return _PARSERS[kind](rest[0] if rest else "")
    except (ValueError, KeyError) as error:
        raise GarbageError from error


def _logged(rest: str) -> Logged:
    attempt, file, record = rest.split(" ", 2)
    return Logged(attempt=_number(attempt), file=_number(file), lines=decode_record(record))


def _lost(rest: str) -> Logged:
    attempt, file = rest.split(" ")
    return Logged(attempt=_number(attempt), file=_number(file), lines=None)


def _said(rest: str) -> Said:
    attempt, text = rest.split(" ", 1)
    return Said(attempt=_number(attempt), text=_unescaped(text).decode("utf-8", "replace"))


def _ended(rest: str) -> ProgramEnded:
    attempt, error, status, signal = rest.split(" ")
    return ProgramEnded(attempt=_number(attempt), error=_number(error), status=_number(status), signal=_number(signal))


def _stays(rest: str) -> Stays:
    attempt, module = rest.split(" ")
    return Stays(attempt=_number(attempt), module=module)


def _done(rest: str) -> Done:
    if rest:
        raise ValueError(rest)
    return Done()


def _result(rest: str) -> Result:
    attempt, file, error, signal, accepted, taint = rest.split(" ")
    if _TAINT.fullmatch(taint) is None:
        raise ValueError(taint)
    return Result(
        attempt=_number(attempt),
        file=_number(file),
        error=_number(error),
        signal=_number(signal),
        accepted={"1": True, "0": False, "?": None}[accepted],
        taint="" if taint == "-" else taint,
    )


def _number(word: str) -> int:
    if not word.isdecimal() or len(word) > 9:
        raise ValueError(word)
    return int(word)


def decode_record(record: str) -> tuple[str, ...]:
    """The lines of a /dev/kmsg record; none of one that the kernel did not write itself.

    ValueError when it is no record.
    """
    facility, lines = decode_any(record)
    return () if facility else lines


def decode_any(record: str) -> tuple[int, tuple[str, ...]]:
    """The facility of a /dev/kmsg record, 0 for the kernel's own, and its lines. ValueError when it is no record.

    Source: Documentation/ABI/testing/dev-kmsg; the level are the lowest three bits of the first number.
    """
    match = _RECORD.fullmatch(record)
    if match is None:
        raise ValueError(record)
    return int(match[1]) >> 3, tuple(_unescaped(match[4]).decode("utf-8", "backslashreplace").split("\n"))


def _unescaped(text: str) -> bytes:
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), text.encode("ascii"))


_PARSERS: dict[str, Callable[[str], Message]] = {
    "payload": lambda rest: PayloadRead(error=_number(rest)),
    "try": lambda rest: Trying(attempt=_number(rest)),
    "log": _logged,
    "lost": _lost,
    "result": _result,
    "out": _said,
    "ran": _ended,
    "stays": _stays,
    "clear": lambda rest: Clear(attempt=_number(rest)),
    "done": _done,
}
