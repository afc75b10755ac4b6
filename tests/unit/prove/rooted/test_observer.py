# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's half of the conversation with a booted root filesystem: what is asked, what is taken for an answer."""

import pytest

from dlkm.prove.rooted.observer import GuestLostError, Observer, Ran
from tests.unit.prove.rooted.support import NONCE, Spoken


def _asked(*lines: str, ends: bool = False) -> tuple[Observer, Spoken]:
    guest = Spoken(*(line.replace("N ", f"{NONCE} ", 1) for line in lines), ends=ends)
    return Observer(guest, NONCE), guest


def test_files_come_whole_whatever_is_in_them() -> None:
    observer, guest = _asked(
        r"N item 1 /a\x20b one line\x0a", r"N item 1 /a\x20b two \x5c", r"N item 1 /c \e", "N end 1 0"
    )
    assert observer.read("/{a b,c}") == {"/a b": b"one line\ntwo \\", "/c": b""}
    assert guest.heard == ["1 read /{a\\x20b,c}\n"]


def test_what_cannot_be_read_is_left_out() -> None:
    observer, _ = _asked("N error 1 /a 13", "N end 1 0", "N error 2 /a 13", "N end 2 0")
    assert observer.read("/a") == {}
    assert observer.text("/a") == ""


def test_links_and_states() -> None:
    observer, guest = _asked("N item 1 /l ../t", "N end 1 0", "N item 2 /f 100644:0:44:0:0", "N end 2 0")
    assert observer.links("/l") == {"/l": "../t"}
    assert observer.status("/f") == {"/f": "100644:0:44:0:0"}
    assert guest.heard == ["1 link /l\n", "2 stat /f\n"]


def test_a_program_says_and_ends() -> None:
    observer, guest = _asked("N said 1 one", r"N said 1 \x0atwo", "N end 1 3", "N end 2 -1")
    assert observer.run("a", "b c", "", seconds=7) == Ran(status=3, output="one\ntwo")
    assert observer.run("slow") == Ran(status=None, output="")
    assert guest.heard[0] == "1 run 7 a b\\x20c \\e\n"


def test_noise_and_forged_answers_are_passed_over() -> None:
    observer, _ = _asked(
        "login: ", "item 1 /a forged", "0000000000000000 end 1 0", "N end 7 0", "N item 1 /a right", "", "N end 1 0"
    )
    assert observer.read("/a") == {"/a": b"right"}


@pytest.mark.parametrize(
    ("lines", "ends", "why"),
    [
        ([], False, "fell silent"),
        ([], True, "went off"),
        (["N item 1 /a x"], True, "went off"),
        (["N end 1 nonsense"], False, "cannot say"),
        (["noise"] * 10_001, False, "something else"),
    ],
)
def test_silence_and_nonsense_are_the_end(lines: list[str], ends: bool, why: str) -> None:  # noqa: FBT001
    observer, _ = _asked(*lines, ends=ends)
    with pytest.raises(GuestLostError, match=why):
        observer.read("/a")


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlkm.prove.rooted.observer.MOST_ITEMS", 10)
    observer, _ = _asked(*["N item 1 /a x"] * 20)
    with pytest.raises(GuestLostError, match="without end"):
        observer.read("/a")


def test_the_root_starts_with_complaints() -> None:
    observer, _ = _asked("N driver /virtio_blk.ko 8", "noise", "N root 0")
    assert list(observer.root_starts(1.0)) == ["the driver /virtio_blk.ko does not load: ENOEXEC"]


@pytest.mark.parametrize(("error", "name"), [("19", "ENODEV"), ("2", "ENOENT")])
def test_a_root_that_does_not_start_says_why(error: str, name: str) -> None:
    observer, _ = _asked(f"N root {error}")
    with pytest.raises(GuestLostError, match=name):
        list(observer.root_starts(1.0))
