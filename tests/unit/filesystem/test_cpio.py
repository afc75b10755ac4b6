# SPDX-License-Identifier: GPL-2.0-or-later
"""Initramfs archives as the kernel unpacks them: one behind the other, packed, with hard links; and damaged ones."""

import gzip
import lzma
import stat
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.filesystem.cpio import CpioArchive
from dlkm.filesystem.packing import Packing
from dlkm.filesystem.place import Kind

FILE, FOLDER, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777


def record(name: str, mode: int = FILE, data: bytes = b"", *, ino: int = 0, nlink: int = 1) -> bytes:
    """One member, as buffer-format.rst has it."""
    raw = name.encode() + b"\0"
    fields = (ino, mode, 1, 2, nlink, 7, len(data), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def whole(*records: bytes) -> bytes:
    return b"".join(records) + record("TRAILER!!!", 0)


def _read(tmp_path: Path, data: bytes) -> CpioArchive:
    (tmp_path / "x").write_bytes(data)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    return CpioArchive(tmp_path / "x", tmp_path / "scratch")


def _content(archive: CpioArchive, tmp_path: Path, path: str) -> bytes:
    member = archive.members.look(path)
    assert member is not None
    target = tmp_path / "fetched"
    target.unlink(missing_ok=True)
    archive.fetch({"fetched": member}, tmp_path)
    return target.read_bytes()


def test_members_and_their_numbers(tmp_path: Path) -> None:
    archive = _read(tmp_path, whole(record(".", FOLDER), record("lib", LINK, b"usr/lib"), record("usr/lib", FOLDER),
                                    record("lib/x", 0o104755, b"text!")))  # fmt: skip
    assert {path: member.kind for path, member in archive.members.below("")} == {
        "lib": Kind.LINK, "usr": Kind.DIRECTORY, "usr/lib": Kind.DIRECTORY, "usr/lib/x": Kind.FILE}  # fmt: skip
    member = archive.members.look("usr/lib/x")
    assert member is not None
    assert (member.mode, member.uid, member.gid, member.size) == (0o4755, 1, 2, 5)
    assert _content(archive, tmp_path, "usr/lib/x") == b"text!"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, zstandard.compress])
@pytest.mark.parametrize("padding", [0, 4, 508, 1 << 20])
def test_a_later_archive_overrides_an_earlier_one(tmp_path: Path, pack: type[bytes], padding: int) -> None:
    early = whole(record("kernel", FOLDER), record("kernel/code", FILE, b"code"), record("x", FILE, b"early"))
    main = whole(record("x", FILE, b"main"))
    packed = pack(main)
    # The kernel takes a plain archive only where its place can be divided by four.
    last = bytes(-len(packed) % 4) + whole(record("y", FILE, b"last"))
    archive = _read(tmp_path, early + bytes(padding) + packed + last)
    contents = {path: _content(archive, tmp_path, path) for path in ("kernel/code", "x", "y")}
    assert contents == {"kernel/code": b"code", "x": b"main", "y": b"last"}
    assert [segment.packing is Packing.NONE for segment in archive.segments] == [True, pack is bytes, True]
    starts = [segment.start for segment in archive.segments]
    assert starts[:2] == [0, len(early) + padding]


def test_archives_in_one_packed_stream(tmp_path: Path) -> None:
    inner = whole(record("a", FILE, b"1")) + bytes(512) + whole(record("a", FILE, b"2"), record("b"))
    archive = _read(tmp_path, gzip.compress(inner))
    assert len(archive.segments) == 1
    assert _content(archive, tmp_path, "a") == b"2"
    assert inner[archive.segments[0].tail :].startswith(b"070701")


@pytest.mark.parametrize("last_has_it", [True, False])
def test_hard_links_are_one_file(tmp_path: Path, last_has_it: bool) -> None:  # noqa: FBT001 — a parameter of the test
    """GNU cpio writes the data with the last of them, others with the first."""
    first, last = (b"", b"data") if last_has_it else (b"data", b"")
    links = [record("a", FILE, first, ino=5, nlink=3), record("b", FILE, b"", ino=5, nlink=3),
             record("c", FILE, last, ino=5, nlink=3), record("d", FILE, b"own", ino=5, nlink=1)]  # fmt: skip
    archive = _read(tmp_path, whole(*links) + whole(record("e", FILE, b"other", ino=5, nlink=2)))
    contents = [_content(archive, tmp_path, path) for path in "abcde"]
    assert contents == [b"data"] * 3 + [b"own", b"other"]


BAD = {
    "no end": record("a", FILE, b"x"),
    "cut header": whole()[:60],
    "cut data": record("a", FILE, b"x" * 100)[:150],
    "old format": b"070707" + b"0" * 200,
    "no number": record("a").replace(b"0000000", b"zzzzzzz", 1) + whole(),
    "no name": record("a").replace(b"0000000200000000a", b"0000000000000000a") + whole(),
    "long name": record("a" * 5000) + whole(),
    "outside": whole(record("../a")),
    "junk behind": whole() + b"junk",
    "odd place": whole() + b"\0" + whole(),
    "damaged gzip": gzip.compress(whole(record("a", FILE, bytes(1000))))[:-4] + b"abcd",
    "two gzips, one damaged": gzip.compress(whole()) + gzip.compress(whole())[:-9],
    "gzip of nothing sensible": gzip.compress(b"nonsense"),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(MalformedError, match=str(tmp_path / "x")):
        _read(tmp_path, data)


def test_a_thousand_empty_archives_are_too_many(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="behind one another"):
        _read(tmp_path, gzip.compress(whole() * 1001))


def test_a_bomb_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlkm.filesystem.cpio.LIMIT", 1 << 20)
    packed = gzip.compress(whole(record("a", FILE, bytes(4 << 20))))
    with pytest.raises(MalformedError, match="unpacks to more"):
        _read(tmp_path, packed)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_is_told_or_harmless(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    members = [record("lib", LINK, b"usr"), record("usr", FOLDER)]
    members += [record("usr/x", FILE, b"1", ino=1, nlink=2), record("y", FILE, b"", ino=1, nlink=2)]
    data = bytearray(whole(*members))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        archive = _read(tmp_path, bytes(data))
    except MalformedError:
        return
    assert all(".." not in path.split("/") for path, _member in archive.members.below(""))
