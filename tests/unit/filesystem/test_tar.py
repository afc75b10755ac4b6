# SPDX-License-Identifier: GPL-2.0-or-later
"""Tar archives: whose bytes are whose, what leads outside, what is damaged."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.filesystem.packing import Packing
from dlkm.filesystem.tar import TarArchive, open_tar


def made(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """An archive of these."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", **attributes: object) -> tarfile.TarInfo:
    """A member's description."""
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    for key, value in attributes.items():
        setattr(found, key, value)
    return found


def _read(tmp_path: Path, data: bytes, packing: Packing = Packing.NONE) -> TarArchive:
    (tmp_path / "x").write_bytes(data)
    return open_tar(tmp_path / "x", packing, tmp_path)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_extents_are_those_of_another_reader(tmp_path: Path, form: int) -> None:
    """Python's own, which reads headers as they come."""
    long = "./" + "d/" * 45 + "n" * (90 if form == tarfile.USTAR_FORMAT else 250)
    links = [(info("./l", tarfile.SYMTYPE, "a"), b""), (info("./h", tarfile.LNKTYPE, "./a"), b"")]
    last = (info("./b", uid=7, gid=8, mode=0o4755), b"end")
    data = made((info("./a", mtime=5), b"x" * 513), (info(long), b""), *links, last, form=form)
    archive = _read(tmp_path, data)
    with tarfile.open(fileobj=io.BytesIO(data)) as other:
        theirs = [(member.name, member.offset, member.offset_data) for member in other]
    assert [(extent.name.removeprefix("./"), extent.start, extent.data) for extent in archive.extents] == [
        (name.removeprefix("./"), start, body) for name, start, body in theirs]  # fmt: skip
    assert [extent.end for extent in archive.extents] == [start for _, start, _ in theirs[1:]] + [archive.end]
    assert data[archive.end :] == bytes(len(data) - archive.end)
    assert [extent.link for extent in archive.extents if extent.link] == ["a"]
    first, twin, other_member = (archive.members.look(name) for name in ("a", "h", "b"))
    assert first == twin
    assert other_member is not None
    assert (other_member.uid, other_member.gid, other_member.mode, other_member.size) == (7, 8, 0o4755, 3)


BAD = {
    "outside": made((info("../a"), b"")),
    "outside by a link": made((info("h", tarfile.LNKTYPE, "../../etc/passwd"), b"")),
    "a link to nothing": made((info("h", tarfile.LNKTYPE, "nothing"), b"")),
    "below a file": made((info("a"), b"x"), (info("a/b"), b"")),
    "cut off": made((info("a"), b"x" * 2000))[:1500],
    "end not marked": made((info("a"), b"x"))[:1024],
    "nothing": bytes(10240),
    "noise": b"noise" * 1000,
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(MalformedError, match=str(tmp_path / "x")):
        _read(tmp_path, data)


def test_through_a_link_it_lies_where_the_link_leads(tmp_path: Path) -> None:
    data = made((info("usr/lib", tarfile.DIRTYPE), b""), (info("lib", tarfile.SYMTYPE, "/usr/lib"), b""),
                (info("lib/x"), b"1"), (info("h", tarfile.LNKTYPE, "lib/x"), b""))  # fmt: skip
    archive = _read(tmp_path, data)
    assert archive.members.look("usr/lib/x") == archive.members.look("h")
    assert archive.extents[-1].link == "usr/lib/x"


def test_several_packed_streams_are_one_archive(tmp_path: Path) -> None:
    data = made((info("a"), b"x" * 5000), (info("b"), b""))
    packed = gzip.compress(data[:3000]) + gzip.compress(data[3000:]) + bytes(100)
    assert [extent.name for extent in _read(tmp_path, packed, Packing.GZIP).extents] == ["a", "b"]


@pytest.mark.parametrize("end", [b"junk", b"\x1f\x8b\x08junk"])
def test_what_follows_a_packed_stream(tmp_path: Path, end: bytes) -> None:
    with pytest.raises(MalformedError):
        _read(tmp_path, gzip.compress(made((info("a"), b""))) + end, Packing.GZIP)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=5),
       form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))  # fmt: skip
def test_damage_is_told_or_harmless(tmp_path: Path, changes: list[tuple[int, int]], form: int) -> None:
    data = bytearray(
        made((info("n" * 150), b"x"), (info("l", tarfile.SYMTYPE, "é"), b""), (info("b"), b"y"), form=form)
    )
    for place, value in changes:
        data[place % len(data)] = value
    (tmp_path / "x").unlink(missing_ok=True)
    try:
        archive = _read(tmp_path, bytes(data))
    except MalformedError:
        return
    assert all(extent.start < extent.data <= extent.end <= len(data) for extent in archive.extents)
