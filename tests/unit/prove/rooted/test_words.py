# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd-modules-load and modprobe say, as systemd 252 and kmod 30 said it in booted guests."""

import pytest

from dlkm.prove.rooted.words import errno_of, inserted_files, refusal, sayings

JOURNAL = """\
systemd-modules-load[125]: Inserted module 'dummy'
Module 'loop' is deny-listed
Failed to insert module 'brd': Invalid argument
Failed to find module 'nonsense'
Error running install command '/bin/false' for module nbd: retcode 1
Failed to insert module 'nbd': Invalid argument
Module 'fuse' is built in
systemd-modules-load.service: Failed with result 'exit-code'.
"""


def test_the_journal_of_a_boot() -> None:
    found = sayings(JOURNAL)
    assert {name: (saying.kind, saying.errno) for name, saying in found.items()} == {
        "dummy": ("inserted", None),
        "loop": ("blacklisted", None),
        "brd": ("failed", "EINVAL"),
        "nonsense": ("missing", None),
        "nbd": ("failed", "EINVAL"),
        "fuse": ("present", None),
    }
    assert found["dummy"].line == "Inserted module 'dummy'"


def test_the_last_word_counts() -> None:
    assert sayings("Failed to insert module 'a': Invalid argument\nInserted module 'a'\n")["a"].kind == "inserted"


def test_what_modprobe_would_insert() -> None:
    output = "insmod /lib/modules/6.1/kernel/a.ko \ninsmod /lib/modules/6.1/updates/b.ko x=1\nmodprobe: FATAL: x\n"
    assert inserted_files(output) == ("/lib/modules/6.1/kernel/a.ko", "/lib/modules/6.1/updates/b.ko")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Exec format error", "ENOEXEC"),
        ("Unknown symbol in module, or unknown parameter (see dmesg)", "ENOENT"),
        ("Key was rejected by service", "EKEYREJECTED"),
        ("nobody says so", None),
    ],
)
def test_words_for_errors(text: str, name: str | None) -> None:
    assert errno_of(text) == name
    assert refusal(f"modprobe: ERROR: could not insert 'hello': {text}\n") == name
