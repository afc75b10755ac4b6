# SPDX-License-Identifier: GPL-2.0-or-later
"""An initramfs with members changed: what comes twice, what is linked, and what stays as it was."""

import gzip
from pathlib import Path

import pytest

from dlkm.core.processes import Processes
from dlkm.filesystem.change import Change
from dlkm.filesystem.cpio import CpioArchive
from dlkm.filesystem.cpiowrite import rewrite_cpio
from dlkm.filesystem.delta import rebuild, write_kept
from dlkm.filesystem.place import Kind
from tests.unit.filesystem.test_cpio import FILE, FOLDER, record, whole


def _new(path: str, data: bytes = b"new") -> Change:
    return Change(path=path, kind=Kind.FILE, mode=0o644, data=data)


def _gone(path: str) -> Change:
    return Change(path=path, kind=Kind.MISSING)


def _rewritten(tmp_path: Path, data: bytes, *changes: Change) -> tuple[bytes, dict[str, bytes]]:
    """The new file, and what its regular files hold; on the way the old one is made again from it."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(data)
    for name in ("a", "b", "out"):
        (tmp_path / name).mkdir()
    archive = CpioArchive(old, tmp_path / "a")
    kept = rewrite_cpio(archive, changes, new, 7, tmp_path / "a", Processes())
    pieces = write_kept(old, kept, tmp_path / "kept")
    rebuild(new, tmp_path / "kept", pieces, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == data
    read = CpioArchive(new, tmp_path / "b")
    files = {path: member for path, member in read.members.below("") if member.kind is Kind.FILE}
    read.fetch({path.replace("/", "."): member for path, member in files.items()}, tmp_path / "out")
    return new.read_bytes(), {path: (tmp_path / "out" / path.replace("/", ".")).read_bytes() for path in files}


EARLY = whole(record("kernel", FOLDER), record("kernel/code", FILE, b"code"))
PADDED = EARLY + bytes(-len(EARLY) % 512)


def test_what_comes_twice_is_replaced_where_it_counts(tmp_path: Path) -> None:
    data = whole(record("x", FILE, b"1"), record("y", FILE, b"keep"), record("x", FILE, b"2"))
    new, files = _rewritten(tmp_path, data, _new("x"))
    assert files == {"x": b"new", "y": b"keep"}
    assert new.count(b"x\0") == 1
    assert new.index(b"y\0") < new.index(b"x\0")


@pytest.mark.parametrize("packed", [False, True])
def test_what_goes_goes_from_every_archive(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001 — a parameter
    main = whole(record("x", FILE, b"2"), record("y", FILE, b"3"))
    data = whole(record("x", FILE, b"1")) + (gzip.compress(main) if packed else main)
    _, files = _rewritten(tmp_path, data, _gone("x"))
    assert files == {"y": b"3"}


@pytest.mark.parametrize("main", ["plain", "packed"])
def test_the_microcode_stays_byte_for_byte(tmp_path: Path, main: str) -> None:
    inner = whole(record("etc", FOLDER), record("etc/x", FILE, b"old"))
    new, files = _rewritten(tmp_path, PADDED + (inner if main == "plain" else gzip.compress(inner)), _new("etc/x"),
                            _new("etc/y"))  # fmt: skip
    assert new.startswith(PADDED)
    assert files == {"kernel/code": b"code", "etc/x": b"new", "etc/y": b"new"}


def test_what_follows_begins_at_a_place_where_the_kernel_reads_it(tmp_path: Path) -> None:
    """The first archive grows; the second is plain and has to begin at a multiple of four."""
    first = gzip.compress(whole(record("x", FILE, b"old")))
    data = first + bytes(-len(first) % 4) + whole(record("y", FILE, b"2"))
    for size in range(1, 9):
        folder = tmp_path / str(size)
        folder.mkdir()
        _, files = _rewritten(folder, data, _new("x", bytes(range(size)) * 50))
        assert files["y"] == b"2"


@pytest.mark.parametrize("change", [_new("c"), _gone("c")])
def test_the_last_of_several_links_takes_the_data_with_it_to_nobody(tmp_path: Path, change: Change) -> None:
    """It goes on to one that stays."""
    links = [record(name, FILE, data, ino=5, nlink=3) for name, data in (("a", b""), ("b", b""), ("c", b"data"))]
    _, files = _rewritten(tmp_path, whole(*links, record("z", FILE, b"z")), change)
    expected = {"a": b"data", "b": b"data", "z": b"z"} | ({"c": b"new"} if change.kind is Kind.FILE else {})
    assert files == expected


def test_new_members_are_no_links_of_old_ones(tmp_path: Path) -> None:
    links = [record(name, FILE, b"same", ino=1, nlink=2) for name in ("a", "b")]
    _, files = _rewritten(tmp_path, whole(*links), _new("c"), _new("d", b"other"))
    assert files == {"a": b"same", "b": b"same", "c": b"new", "d": b"other"}


def test_names_begin_as_the_others_do(tmp_path: Path) -> None:
    new, _ = _rewritten(tmp_path, whole(record(".", FOLDER), record("./x", FILE, b"1")), _new("y"))
    assert b"./y\0" in new
