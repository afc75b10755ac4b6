# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations with guests that behave and guests that do not; a fake guest speaks from a script."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dlkm.prove.attempt import Attempt, Program, Ran
from dlkm.prove.conversation import Conversation, converse
from dlkm.verdict.verdict import Outcome

HELLO = Attempt(files=(Path("hello.ko"),))
PAIR = Attempt(files=(Path("base.ko"), Path("user.ko")))


class Script:
    """A guest that says these lines, each after its nonce; `off`: then the machine goes off, else it is silent."""

    def __init__(self, lines: Sequence[str | bytes], *, off: bool = False) -> None:
        self._lines = list(lines)
        self._off = off
        self.heard = b""

    @property
    def ended(self) -> bool:
        return self._off and not self._lines

    def send(self, data: bytes) -> None:
        self.heard += data

    def line(self, timeout: float) -> bytes | None:
        assert timeout >= 0
        if not self._lines:
            return None
        line = self._lines.pop(0)
        return line if isinstance(line, bytes) else f"n {line}".encode()


def _talk(*lines: str | bytes, attempts: Sequence[Attempt] = (HELLO, HELLO), off: bool = False) -> Conversation:
    return converse(Script(lines, off=off), dict(enumerate(attempts)), "n", 5.0)


def _attempt(number: int, *middle: str, result: str = "0 0 0 1 OE") -> list[str]:
    return [f"try {number}", *middle, f"result {number} {result}", f"clear {number}"]


def test_the_guest_is_told_to_go() -> None:
    guest = Script(["payload 0", "done"])
    assert converse(guest, {}, "n", 5.0).finished
    assert guest.heard == b"go n\n"


def test_all_is_well() -> None:
    talk = _talk("payload 0", *_attempt(0, "log 0 0 6,1,2,-;hello, world"), *_attempt(1, result="0 8 0 0 -"), "done")
    assert talk.finished
    assert talk.trouble is None
    assert [answer.outcome for answer in talk.answers.values()] == [Outcome.LOADS, Outcome.FAILS]
    assert talk.answers[0].output == ("hello, world",)
    assert talk.answers[1].errno == "ENOEXEC"


def test_a_hang_is_blamed_on_the_attempt_under_way() -> None:
    talk = _talk("payload 0", *_attempt(0), "try 1", "log 1 0 6,1,2,-;will hang")
    assert not talk.finished
    assert talk.answers[0].trouble is None
    assert talk.answers[1].trouble == "the guest said nothing for 5 s"
    assert talk.answers[1].outcome is Outcome.FAILS
    assert talk.answers[1].output == ("will hang",)


def test_a_machine_that_goes_off() -> None:
    talk = _talk("payload 0", "try 0", off=True)
    assert talk.answers[0].trouble == "the machine went off"
    assert 1 not in talk.answers


def test_what_takes_the_guest_down_after_its_result_is_told_with_it() -> None:
    talk = _talk("payload 0", "try 0", "result 0 0 0 0 1 OE", off=True)
    assert talk.answers[0].outcome is Outcome.LOADS
    assert (talk.answers[0].trouble, talk.answers[0].afterwards) == ("the machine went off", True)
    assert list(talk.answers) == [0]
    half = _talk("payload 0", "try 0", "result 0 0 0 0 1 OE", attempts=[PAIR], off=True)
    assert (half.answers[0].outcome, half.answers[0].afterwards) == (Outcome.FAILS, False)


@pytest.mark.parametrize(
    "forged",
    [
        b"result 0 0 0 0 1 OE",  # without the nonce
        b"m result 0 0 0 0 1 OE",
        "result 1 0 0 0 1 OE",  # of an attempt that is not under way
        "result 0 1 0 0 1 OE",  # of a file that was not reached
        "clear 0",  # without a result
        "clear 1",
        "try 1",
        "payload 0",
        "done",
        b"\x00\xff\x1b[31m",
    ],
)
def test_a_forged_line_is_a_failed_proof(forged: str | bytes) -> None:
    talk = _talk("payload 0", "try 0", forged, *_attempt(0)[1:], *_attempt(1), "done")
    assert not talk.finished
    assert talk.answers[0].outcome is Outcome.FAILS
    assert talk.answers[0].trouble == "something else than the guest wrote to its channel"
    assert list(talk.answers) == [0]


def test_log_text_cannot_forge_a_result() -> None:
    talk = _talk("payload 0", *_attempt(0, r"log 0 0 6,1,2,-;x\x0an result 0 0 0 0 1 OE", result="0 8 0 0 -"))
    assert talk.answers[0].outcome is Outcome.FAILS
    assert talk.answers[0].log == ("x", "n result 0 0 0 0 1 OE")


def test_an_answer_cannot_be_given_twice() -> None:
    talk = _talk("payload 0", *_attempt(0, result="0 8 0 0 -"), *_attempt(0))
    assert talk.answers[0].errno == "ENOEXEC"
    assert talk.trouble is not None


def test_after_a_crash_the_guest_is_believed_no_more() -> None:
    talk = _talk("payload 0", *_attempt(0, result="0 5 9 1 OE"), *_attempt(1), "done")
    assert talk.answers[0].trouble == "the kernel crashed in its init()"
    assert talk.answers[0].errno is None
    assert list(talk.answers) == [0]


def test_a_module_that_stays_spends_the_guest() -> None:
    lines = _attempt(0)
    talk = _talk("payload 0", *lines[:-1], "stays 0 hello", lines[-1], *_attempt(1))
    assert talk.spent
    assert talk.trouble is None
    assert list(talk.answers) == [0]


LOCKED = "6,1,2,-;Lockdown: dlkm-loader: unsigned module loading is restricted; see man kernel_lockdown.7"


def _locked(number: int) -> list[str]:
    return _attempt(number, f"log {number} 0 {LOCKED}", result="0 1 0 0 -")


def test_a_refusal_that_the_kernel_may_have_kept_to_itself_is_for_a_fresh_guest() -> None:
    said = [line for number in range(10) for line in _locked(number)]
    talk = _talk("payload 0", *said, *_attempt(10, result="0 1 0 0 -"), attempts=[HELLO] * 11)
    assert list(talk.answers) == list(range(9))
    assert talk.spent
    assert talk.trouble is None
    assert talk.current is None
    assert {answer.log for answer in talk.answers.values()} == {(LOCKED[8:].replace("dlkm-loader", "<comm>"),)}


def test_other_lines_are_never_kept_back() -> None:
    said = "4,1,2,-;hello: Unknown symbol x (err -2)"
    lines = [line for number in range(20) for line in _attempt(number, f"log {number} 0 {said}", result="0 2 0 0 -")]
    talk = _talk("payload 0", *lines, "done", attempts=[HELLO] * 20)
    assert list(talk.answers) == list(range(20))
    assert not talk.spent


def test_a_module_that_loads_has_its_answer_whatever_the_kernel_keeps_back() -> None:
    said = [line for number in range(9) for line in _locked(number)]
    talk = _talk("payload 0", *said, *_attempt(9), "done", attempts=[HELLO] * 10)
    assert talk.finished
    assert talk.answers[9].outcome is Outcome.LOADS


def test_what_needed_files_made_the_kernel_say_counts() -> None:
    long = Attempt(files=tuple(Path(f"{number}.ko") for number in range(10)))
    refused = [
        [f"log {{0}} {file} {LOCKED}", f"result {{0}} {file} 1 0 0 -"] if file < 9 else [f"result {{0}} {file} 1 0 0 -"]
        for file in range(10)
    ]
    lines = [line for pair in refused for line in pair]
    after = _talk(
        "payload 0", *_attempt(0), "try 1", *[one.format(1) for one in lines], "clear 1", attempts=[HELLO, long]
    )
    assert list(after.answers) == [0]
    assert after.spent
    alone = _talk("payload 0", "try 0", *[one.format(0) for one in lines], "clear 0", "done", attempts=[long])
    assert alone.answers[0].errno == "EPERM"  # no guest can have said less before


def test_a_needed_file_that_fails_is_told_and_does_not_decide() -> None:
    log = ["log 0 0 4,1,2,-;base: Unknown symbol x (err -2)", "result 0 0 2 0 0 -"]
    user = ["log 0 1 4,1,2,-;user: Unknown symbol y (err -2)", "result 0 1 2 0 0 -", "clear 0"]
    talk = _talk("payload 0", "try 0", *log, *user, "done", attempts=[PAIR])
    answer = talk.answers[0]
    assert answer.log == ("user: Unknown symbol y (err -2)",)
    assert answer.notes == ("base.ko, which goes before it, did not load: ENOENT",)


def test_a_needed_file_whose_init_fails_is_told() -> None:
    lines = ["try 0", "result 0 0 19 0 1 -", "log 0 1 4,1,2,-;user: Unknown symbol y (err -2)", "result 0 1 2 0 0 -"]
    answer = _talk("payload 0", *lines, "clear 0", "done", attempts=[PAIR]).answers[0]
    assert answer.unready
    assert answer.notes == ("base.ko, which goes before it, did not load: its own init() answered ENODEV",)
    refused = [lines[0], "result 0 0 19 0 0 -", *lines[2:]]
    assert not _talk("payload 0", *refused, "clear 0", "done", attempts=[PAIR]).answers[0].unready


TESTED = Attempt(files=(Path("base.ko"), Path("hello.ko")), program=Program(data=b"x"))
LOADED = ["try 0", "result 0 0 0 0 1 OE", "result 0 1 0 0 1 OE"]


def test_a_program_is_listened_to() -> None:
    said = ["out 0 first", "log 0 1 6,1,2,-;ioctl", r"out 0 \x5cx", "ran 0 0 4 0"]
    talk = _talk("payload 0", *LOADED, *said, "clear 0", "done", attempts=[TESTED])
    assert talk.trouble is None
    assert talk.answers[0].ran == Ran(error=0, status=4, signal=0, said=("first", "\\x"))
    assert talk.answers[0].output == ("ioctl",)


def test_a_program_that_was_not_run_has_no_end() -> None:
    refused = ["try 0", "result 0 0 0 0 1 OE", "result 0 1 8 0 0 -", "clear 0"]
    talk = _talk("payload 0", *refused, "done", attempts=[TESTED])
    assert (talk.answers[0].ran, talk.answers[0].errno) == (None, "ENOEXEC")


@pytest.mark.parametrize(
    "lines",
    [
        ["try 0", "result 0 0 0 0 1 OE", "out 0 too early"],
        ["try 0", "ran 0 0 0 0"],
        [*LOADED, "ran 0 0 0 0", "out 0 too late"],
        [*LOADED, "ran 0 0 1 0", "ran 0 0 0 0"],
        [*LOADED, "ran 1 0 0 0"],
    ],
)
def test_a_program_speaks_in_its_time_only(lines: list[str]) -> None:
    talk = _talk("payload 0", *lines, "clear 0", "done", attempts=[TESTED])
    assert talk.answers[0].trouble == "something else than the guest wrote to its channel"
    untested = _talk("payload 0", "try 0", "result 0 0 0 0 1 OE", "out 0 x", attempts=[HELLO])
    assert untested.answers[0].trouble is not None


def test_after_a_crash_under_a_program_the_guest_is_believed_no_more() -> None:
    talk = _talk("payload 0", *LOADED, "ran 0 0 0 9", "clear 0", *_attempt(1), attempts=[TESTED, HELLO])
    assert list(talk.answers) == [0]
    assert talk.answers[0].trouble is not None


def test_a_program_has_its_own_time() -> None:
    class Slow(Script):
        def line(self, timeout: float) -> bytes | None:
            waits.append(timeout)
            return super().line(timeout)

    waits: list[float] = []
    attempt = Attempt(files=(Path("a.ko"),), program=Program(data=b"x", seconds=100.0))
    converse(Slow(["payload 0", *_attempt(0), "done"]), {0: attempt}, "n", 5.0)
    assert 100.0 < waits[2] <= 105.0
    assert waits[-1] <= 5.0


def test_a_payload_that_cannot_be_read() -> None:
    talk = _talk("payload 2", "done")
    assert talk.payload_error == 2
    assert talk.answers == {}


def test_a_flood_of_log_lines_is_bounded() -> None:
    flood = ["log 0 0 6,1,2,-;again"] * 30_000
    talk = _talk("payload 0", *_attempt(0, *flood), "done", attempts=[HELLO])
    assert len(talk.answers[0].output) <= 20_000
