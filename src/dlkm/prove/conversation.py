# SPDX-License-Identifier: GPL-2.0-or-later
"""One booted guest and the attempts it is given: what it says, and how it falls silent. Starts no guest."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol

from dlkm.core.errnos import errno_name
from dlkm.prove.agreement import LOST, Limit, limited, read_result, used_up
from dlkm.prove.attempt import Attempt, Observed, Ran
from dlkm.prove.protocol import (
    Clear,
    Done,
    GarbageError,
    Logged,
    Message,
    PayloadRead,
    ProgramEnded,
    Result,
    Said,
    Stays,
    Trying,
    parse,
)
from dlkm.verdict.verdict import Outcome

SEGV, KILL = 11, 9
MOST_LINES = 20_000  # of one attempt's log, and of what its program says


class Speaker(Protocol):
    """A guest's channel."""

    @property
    def ended(self) -> bool:
        """Whether the machine is off."""

    def send(self, data: bytes) -> None:
        """Some bytes to the guest."""

    def line(self, timeout: float) -> bytes | None:
        """Its next line; None when it says nothing for that long, or the machine goes off."""


@dataclass(slots=True, kw_only=True)
class Conversation:
    """What came of it. `payload_error`: an errno when the guest got no payload, None when it did not come so far.

    `trouble` is why it ended early, `current` the attempt under way then. `spent`: the guest is not fresh any more; an
    attempt that it ended without an answer is for a fresh one.
    """

    answers: dict[int, Observed] = field(default_factory=dict)
    payload_error: int | None = None
    trouble: str | None = None
    current: int | None = None
    spent: bool = False
    finished: bool = False


class _Listener:
    """Follows one conversation, line by line."""

    def __init__(self, attempts: Mapping[int, Attempt], talk: Conversation) -> None:
        self._attempts = attempts
        self._talk = talk
        self._logged: dict[int, list[str]] = {}
        self._results: dict[int, Result] = {}
        self._limited: Counter[Limit] = Counter()  # of the whole conversation, up to the attempt under way
        self._said: list[str] = []
        self._ran: Ran | None = None

    def take(self, message: Message) -> None:
        """One message; GarbageError when it has no place here."""
        talk = self._talk
        match message:
            case PayloadRead():
                self._expect(talk.payload_error is None)
                talk.payload_error = message.error
            case Trying():
                self._expect(talk.current is None and message.attempt in self._attempts)
                self._expect(message.attempt not in talk.answers)
                talk.current, self._logged, self._results = message.attempt, {}, {}
                self._said, self._ran = [], None
            case Logged():
                self._expect(message.attempt == talk.current)
                self._log(message)
            case Result():
                self._expect(message.attempt == talk.current and message.file == len(self._results))
                self._results[message.file] = message
            case Said():
                self._expect(message.attempt == talk.current and self._runs())
                self._said += [message.text] if len(self._said) < MOST_LINES else []
            case ProgramEnded():
                self._expect(message.attempt == talk.current and self._runs())
                told = (message.error, message.status, message.signal)
                self._ran = Ran(error=told[0], status=told[1], signal=told[2], said=tuple(self._said))
            case Stays():
                self._expect(message.attempt == talk.current)
                talk.spent = True
            case Clear():
                self._expect(message.attempt == talk.current and bool(self._results))
                self._clear(message.attempt)
            case Done():
                self._expect(talk.current is None)
                talk.finished = True

    def _clear(self, attempt: int) -> None:
        """The attempt is over. A refusal whose line the kernel may have kept back is no answer: a fresh guest gives it.

        The first of a guest is one in any case, so each guest answers one at least.
        """
        talk, answer = self._talk, self.answer()
        last = len(self._results) - 1
        before = limited(line for file, lines in self._logged.items() if file != last for line in lines)
        self._limited += before
        silenced = used_up(self._limited)
        self._limited += limited(self._logged.get(last, ()))
        if silenced and talk.answers and answer.errno is not None and not answer.accepted:
            talk.spent = True
        else:
            talk.answers[attempt] = answer
        talk.current = None

    def answer(self) -> Observed:
        """The answer as far as it has come."""
        assert self._talk.current is not None
        names = self._attempts[self._talk.current].files
        last = self._results[len(self._results) - 1]
        observed = read_result(last, self._logged.get(last.file, ()))
        gone = [result for file, result in self._results.items() if result.error and file < len(names) - 1]
        notes = tuple(map(partial(_gone, names), gone))
        observed = replace(observed, notes=notes, unready=any(result.accepted is True for result in gone))
        if last.signal:
            trouble = "the kernel crashed in its init()" if last.accepted else "the kernel crashed while loading it"
            return replace(observed, outcome=Outcome.FAILS, errno=None, trouble=trouble)
        if self._ran is not None and self._ran.signal == KILL:
            trouble = "the kernel ended its program with SIGKILL, as it does after a crash"
            return replace(observed, ran=self._ran, trouble=trouble)
        return replace(observed, ran=self._ran)

    def _runs(self) -> bool:
        """Whether a program may be running: all files are loaded, and it has not ended yet."""
        number = self._talk.current
        assert number is not None
        attempt = self._attempts[number]
        return attempt.program is not None and len(self._results) == len(attempt.files) and self._ran is None

    @property
    def is_answered(self) -> bool:
        """Whether nothing is left of the attempt under way but to unload it."""
        number = self._talk.current
        return number is not None and len(self._results) == len(self._attempts[number].files) and not self._runs()

    def unfinished(self) -> Observed:
        """What is known of an attempt that did not come to its end."""
        lines = [line for logged in self._logged.values() for line in logged]
        return Observed(outcome=Outcome.FAILS, output=tuple(lines))

    def _log(self, message: Logged) -> None:
        lines = self._logged.setdefault(message.file, [])
        if len(lines) < MOST_LINES:
            lines.extend((LOST,) if message.lines is None else message.lines)

    @staticmethod
    def _expect(condition: bool) -> None:  # noqa: FBT001 — reads as a sentence
        if not condition:
            raise GarbageError


def _gone(names: Sequence[Path], result: Result) -> str:
    """What is said of a needed module that did not load."""
    why = "its own init() answered " if result.accepted else ""
    return f"{names[result.file].name}, which goes before it, did not load: {why}{errno_name(result.error)}"


def converse(
    guest: Speaker,
    attempts: Mapping[int, Attempt],
    nonce: str,
    timeout: float,
    tell: Callable[[int], None] = lambda _done: None,
) -> Conversation:
    """Let a guest that is ready try everything.

    An attempt that takes more than `timeout` seconds, besides what its program may take, is a hang. `tell` hears how
    many attempts are over.
    """
    talk = Conversation()
    listener = _Listener(attempts, talk)
    guest.send(f"go {nonce}\n".encode())
    deadline = monotonic() + timeout
    while not talk.finished and not (talk.spent and talk.current is None):
        line = guest.line(max(0.0, deadline - monotonic()))
        before = talk.current
        talk.trouble = _take(listener, line, nonce) if line is not None else _silence(guest, timeout)
        if talk.trouble is not None:
            _blame(talk, listener)
            break
        if talk.current != before:
            program = attempts[talk.current].program if talk.current is not None else None
            deadline = monotonic() + timeout + (program.seconds if program is not None else 0.0)
            tell(len(talk.answers))
        if talk.answers and (crashed := _crashed(talk)) is not None:
            talk.trouble = crashed
            break
    return talk


def _take(listener: _Listener, line: bytes, nonce: str) -> str | None:
    try:
        listener.take(parse(line, nonce))
    except GarbageError:
        return "something else than the guest wrote to its channel"
    return None


def _silence(guest: Speaker, timeout: float) -> str:
    return "the machine went off" if guest.ended else f"the guest said nothing for {timeout:.0f} s"


def _blame(talk: Conversation, listener: _Listener) -> None:
    """Whoever is under way is answerable; what it did before it was unloaded still counts."""
    if talk.current is None:
        return
    answer = listener.answer() if listener.is_answered else listener.unfinished()
    afterwards = listener.is_answered and answer.trouble is None
    talk.answers[talk.current] = replace(answer, trouble=talk.trouble, afterwards=afterwards)


def _crashed(talk: Conversation) -> str | None:
    """After a crash in the kernel nothing that this guest says is worth much."""
    number = next(reversed(talk.answers))
    return talk.answers[number].trouble
