# SPDX-License-Identifier: GPL-2.0-or-later
"""udev's rules: what is read, and what they set for a device as far as its name tells."""

from pathlib import Path

import pytest

from dlkm.rootfs.root import DirectoryRoot
from dlkm.rootfs.udevrules import parse, rules_of, settings_for
from tests.unit.rootfs.support import put

GADGET = {"KERNEL": "gadget0", "SUBSYSTEM": "misc", "ACTION": "add"}


def _set(text: str, device: dict[str, str] | None = None) -> dict[str, tuple[str | None, ...]]:
    found = settings_for(tuple(parse(text.encode(), "x.rules")), device or GADGET)
    return {word: tuple(one.value for one in given) for word, given in found.items()}


def test_lines_comments_and_continuations() -> None:
    text = '# MODE="0"\n\nKERNEL=="a", \\\n  MODE="1"\nnonsense\nMODE=2\n SUBSYSTEM!="b" GROUP="c"\n'
    rules = list(parse(text.encode(), "x.rules"))
    assert [(rule.place, [token.key for token in rule.tokens]) for rule in rules] == [
        ("x.rules:3", ["KERNEL", "MODE"]),
        ("x.rules:7", ["SUBSYSTEM", "GROUP"]),
    ]


@pytest.mark.parametrize(
    ("rule", "sets"),
    [
        ('KERNEL=="gadget0", MODE="0640"', True),
        ('KERNEL=="gadget[0-9]", SUBSYSTEM=="misc|tty", MODE="0640"', True),
        ('KERNEL=="gadget", MODE="0640"', False),
        ('KERNEL!="null", MODE="0640"', True),
        ('ACTION=="remove", MODE="0640"', False),
        ('MODE="0640"', True),
    ],
)
def test_matches_on_what_is_known(rule: str, sets: bool) -> None:  # noqa: FBT001
    assert _set(rule) == ({"mode": ("0640",)} if sets else {})


def test_what_rests_on_more_is_left_open() -> None:
    assert _set('MODE="0640"\nATTR{size}=="1", MODE="0600"') == {"mode": ("0640", None)}
    assert _set('ATTR{size}=="1", MODE="0600"\nMODE="0640"') == {"mode": ("0640",)}
    assert _set('PROGRAM=="/bin/x", SYMLINK+="a"\nSYMLINK+="b %c"\nSYMLINK+="c-%k"') == {
        "links": (None, None, "c-gadget0")
    }


def test_the_last_word_counts_unless_one_was_final() -> None:
    assert _set('GROUP="a"\nGROUP="b"') == {"group": ("b",)}
    assert _set('GROUP:="a"\nGROUP="b"') == {"group": ("a",)}


def test_jumps() -> None:
    skipped = 'SUBSYSTEM!="block", GOTO="end"\nMODE="1"\nLABEL="end"\nGROUP="g"'
    assert _set(skipped) == {"group": ("g",)}
    maybe = 'ENV{x}=="1", GOTO="end"\nMODE="1"\nLABEL="end"\nGROUP="g"'
    assert _set(maybe) == {"mode": (None,), "group": ("g",)}
    both = 'ENV{x}=="1", GOTO="end"\nSUBSYSTEM!="block", GOTO="end"\nMODE="1"\nLABEL="end"\nGROUP="g"'
    assert _set(both) == {"group": ("g",)}


def test_a_file_in_etc_hides_one_of_its_name(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "usr/lib/udev/rules.d/50-a.rules": 'MODE="1"\n',
            "usr/lib/udev/rules.d/60-b.rules": 'MODE="2"\n',
            "etc/udev/rules.d/60-b.rules": 'MODE="3"\n',
            "etc/udev/rules.d/70-c.conf": 'MODE="4"\n',
        },
    )
    with DirectoryRoot(tmp_path) as root:
        assert [rule.place for rule in rules_of(root)] == [
            "usr/lib/udev/rules.d/50-a.rules:1",
            "etc/udev/rules.d/60-b.rules:1",
        ]
