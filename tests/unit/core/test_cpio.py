# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives against the format's description: fields of eight hexadecimal digits, everything at multiples of four."""

import stat

from hypothesis import given
from hypothesis import strategies as st

from dlkm.core.cpio import archive, character_device, directory, plain_file

FIELDS = 13


def _read(data: bytes) -> list[tuple[str, list[int], bytes]]:
    """A reader of its own, from the format's description."""
    entries, place = [], 0
    while place < len(data):
        assert data[place : place + 6] == b"070701"
        fields = [int(data[place + 6 + 8 * number : place + 14 + 8 * number], 16) for number in range(FIELDS)]
        name_start = place + 110
        name = data[name_start : name_start + fields[11] - 1].decode()
        body = (name_start + fields[11] + 3) // 4 * 4
        entries.append((name, fields, data[body : body + fields[6]]))
        place = (body + fields[6] + 3) // 4 * 4
    return entries


def test_what_goes_in_comes_out() -> None:
    data = archive([directory("dev"), character_device("dev/console", 5, 1), plain_file("init", b"\x7fELF", 0o755)])
    entries = {name: (fields, body) for name, fields, body in _read(data)}
    assert list(entries) == ["dev", "dev/console", "init", "TRAILER!!!"]
    assert stat.S_ISDIR(entries["dev"][0][1])
    assert stat.S_ISCHR(entries["dev/console"][0][1])
    assert entries["dev/console"][0][9:11] == [5, 1]
    assert entries["init"][0][1] == stat.S_IFREG | 0o755
    assert entries["init"][1] == b"\x7fELF"


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_lengths_stay_aligned(bodies: list[bytes]) -> None:
    data = archive(plain_file(f"f{number}", body) for number, body in enumerate(bodies))
    assert len(data) % 4 == 0
    assert [body for _name, _fields, body in _read(data)[:-1]] == bodies


def test_the_same_entries_give_the_same_bytes() -> None:
    assert archive([plain_file("a", b"x")]) == archive([plain_file("a", b"x")])
