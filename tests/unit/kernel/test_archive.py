# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives from anywhere: what is in them comes out below the directory, whatever they try."""

import io
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError, UsageError
from dlkm.kernel.archive import Kind, Limits, member, names_in, unpack
from tests.unit.kernel.deb_builder import deb, tar


def _info(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_links_modes_and_times(tmp_path: Path, mode: str) -> None:
    tool = _info("a/tool", tarfile.REGTYPE)
    tool.mode, tool.mtime = 0o4755, 1_000_000_000
    files: dict[str, str | bytes | tarfile.TarInfo] = {
        "./a/b/c.txt": "text",
        "a/link": "-> b/c.txt",
        "a/tool": tool,
        "a/hard": _info("a/hard", b"1", "a/b/c.txt"),
    }
    (tmp_path / "x").write_bytes(tar(files, mode))
    entries = {entry.name: entry for entry in unpack(tmp_path / "x", tmp_path / "out")}
    assert [entry.kind for entry in entries.values()] == [Kind.FILE, Kind.LINK, Kind.FILE, Kind.FILE]
    assert (entries["a/tool"].mode, entries["a/link"].target) == (0o4755, "b/c.txt")
    assert (tmp_path / "out/a/link").read_text() == (tmp_path / "out/a/hard").read_text() == "text"
    status = (tmp_path / "out/a/tool").stat()
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o755, 1_000_000_000)


def test_only_what_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(tar({"boot/a": "1", "usr/share/b": "2"}))
    assert unpack(tmp_path / "x", tmp_path / "out", lambda name: name.startswith("boot/"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["boot"]
    assert list(names_in(tmp_path / "x")) == ["boot/a", "usr/share/b"]


@pytest.mark.parametrize(
    "files",
    [
        {"../evil": "x"},
        {"a/../../evil": "x"},
        {"sub": "-> ..", "sub/evil": "x"},
        {"sub": "-> /", "sub/tmp/evil": "x"},
        {"hard": _info("hard", b"1", "../outside")},
        {"a": "file", "a/b": "x"},
        {"n" * 300: "x"},
        {"a/b": "x", "a": "file"},
        {"/".join("d" * 100): "x"},
    ],
)
def test_nothing_is_written_outside(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "x").write_bytes(tar(files))
    with pytest.raises(MalformedError):
        unpack(tmp_path / "x", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "outside", "x"]
    assert (tmp_path / "outside").read_text() == "mine"


def test_a_file_in_place_of_a_link_is_not_written_through_it(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "x").write_bytes(tar({"a": f"-> {tmp_path}/outside"}))
    (tmp_path / "y").write_bytes(tar({"a": "theirs", "/b": "absolute"}))
    for name in ("x", "y"):
        unpack(tmp_path / name, tmp_path / "out")
    assert ((tmp_path / "outside").read_text(), (tmp_path / "out/a").read_text()) == ("mine", "theirs")
    assert (tmp_path / "out/b").read_text() == "absolute"


def test_devices_and_pipes_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(tar({"pipe": _info("pipe", tarfile.FIFOTYPE), "dev": _info("dev", tarfile.CHRTYPE)}))
    unpack(tmp_path / "x", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_bombs_end_early(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(tar({f"zeros{number}": bytes(1 << 20) for number in range(20)}))
    with pytest.raises(MalformedError, match="more than"):
        unpack(tmp_path / "x", tmp_path / "out", limits=Limits(size=2 << 20))
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 3 << 20
    with pytest.raises(MalformedError, match="more than 5 files"):
        unpack(tmp_path / "x", tmp_path / "out2", limits=Limits(entries=5))
    with pytest.raises(MalformedError, match="larger than"):
        member(tmp_path / "x", "zeros1", 1000)


def test_parts_of_a_debian_package(tmp_path: Path) -> None:
    path = deb(tmp_path / "a_1_all.deb", {"usr/x": "data"})
    assert b"Package: a\n" in (member(path, "control", 1000, of="control") or b"")
    assert member(path, "usr/x", 1000) == b"data"
    assert member(path, "control", 1000) is None


def test_what_is_no_archive(tmp_path: Path) -> None:
    for content in (b"", b"nonsense" * 1000, b"!<arch>\n", b"!<arch>\n" + b"x" * 60, tar({"a": bytes(9000)})[:100]):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(MalformedError):
            member(tmp_path / "x", "a", 10_000)
    with pytest.raises(UsageError):
        unpack(tmp_path / "none", tmp_path / "out")


GOOD = tar({"a/b": "text" * 50, "a/l": "-> b"}, "w")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_damage_is_an_error_of_ours_or_none(tmp_path_factory: pytest.TempPathFactory, place: int, byte: int) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray(GOOD)
    data[place] = byte
    (folder / "x").write_bytes(io.BytesIO(data).getvalue())
    with suppress(MalformedError):
        unpack(folder / "x", folder / "out")
    assert {path.name for path in folder.iterdir()} <= {"x", "out"}
