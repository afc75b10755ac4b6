# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's lines: what guest/guest.h promises is read, all else is garbage and nothing else happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    decode_record,
    parse,
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"n payload 0", PayloadRead(error=0)),
        (b"n try 12", Trying(attempt=12)),
        (b"n log 1 0 6,366,4722821,-;hello, world", Logged(attempt=1, file=0, lines=("hello, world",))),
        (b"n lost 1 2", Logged(attempt=1, file=2, lines=None)),
        (
            b"n result 1 0 8 0 0 -",
            Result(attempt=1, file=0, error=8, signal=0, accepted=False, taint=""),
        ),
        (
            b"n result 1 1 0 0 1 OE",
            Result(attempt=1, file=1, error=0, signal=0, accepted=True, taint="OE"),
        ),
        (b"n result 1 0 1 9 ? -", Result(attempt=1, file=0, error=1, signal=9, accepted=None, taint="")),
        (b"n out 1 two  blanks \\x5cand \\xc3\\xa4", Said(attempt=1, text="two  blanks \\and ä")),
        (b"n out 1 ", Said(attempt=1, text="")),
        (b"n ran 1 0 4 0", ProgramEnded(attempt=1, error=0, status=4, signal=0)),
        (b"n stays 4 snd_hda", Stays(attempt=4, module="snd_hda")),
        (b"n clear 4", Clear(attempt=4)),
        (b"n done", Done()),
    ],
)
def test_each_message(line: bytes, message: Message) -> None:
    assert parse(line, "n") == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"n",
        b"n ",
        b"m done",  # another nonce
        b" n done",
        b"n done again",
        b"n try -1",
        b"n try 1 2",
        b"n out 1",
        b"n ran 1 0 4",
        b"n ran 1 0 -4 0",
        b"n try 9999999999",
        "n try ٣".encode(),
        b"n result 1 0 0 0 1 O E",
        b"n result 1 0 0 0 yes -",
        b"n result 1 0 0 0 1 \x1b[2J",
        b"n log 1 0 no record",
        b"n log 1 6,1,2,-;text",
        b"n fine 1",
        b"n clear 1\r",
        b"\xffn done",
    ],
)
def test_garbage(line: bytes) -> None:
    with pytest.raises(GarbageError):
        parse(line, "n")


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_a_message_or_garbage(line: bytes, ours: bool) -> None:  # noqa: FBT001 — hypothesis passes it so
    try:
        parse(b"n " + line if ours else line, "n")
    except GarbageError:
        return


def test_a_record_is_decoded() -> None:
    assert decode_record(r"4,1,2,-;caf\xc3\xa9\x09back\x5cslash\x0asecond") == ("café\tback\\slash", "second")


def test_a_record_of_another_facility_is_not_the_kernels() -> None:
    assert decode_record("14,1,2,-;systemd[1]: hello: version magic") == ()


def test_bytes_that_are_no_utf8_survive() -> None:
    assert decode_record(r"4,1,2,-;\xff") == (r"\xff",)
