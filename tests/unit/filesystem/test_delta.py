# SPDX-License-Identifier: GPL-2.0-or-later
"""An old file is made again from the new one and what was kept, whatever changed, holes or not."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.filesystem.delta import CHUNK, Kept, Piece, Source, digest_of_content, rebuild, same_places, write_kept

_BITS = st.lists(st.tuples(st.integers(0, 3 * CHUNK), st.binary(min_size=1, max_size=20)), max_size=4)


def _file(path: Path, size: int, bits: list[tuple[int, bytes]]) -> bytes:
    """A file with holes between these."""
    path.unlink(missing_ok=True)
    with path.open("xb") as stream:
        for place, data in bits:
            stream.seek(place % (size + 1))
            stream.write(data)
        stream.truncate(size)
    return path.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 3 * CHUNK), bits=_BITS, other=st.none() | st.integers(0, 3 * CHUNK), changes=_BITS)
def test_the_old_file_is_made_again(
    tmp_path: Path, size: int, bits: list[tuple[int, bytes]], other: int | None, changes: list[tuple[int, bytes]]
) -> None:
    old, new, kept, out = (tmp_path / name for name in ("old", "new", "kept", "out"))
    data = _file(old, size, bits)
    _file(new, size if other is None else other, [*bits, *changes])
    kept.unlink(missing_ok=True)
    out.unlink(missing_ok=True)
    pieces = write_kept(old, list(same_places(old, new)), kept)
    rebuild(new, kept, pieces, out)
    assert out.read_bytes() == data
    assert digest_of_content(out) == digest_of_content(old)


def test_the_digest_knows_no_holes_but_sizes(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as stream:
        stream.seek(5 * CHUNK)
        stream.write(b"x")
    (tmp_path / "plain").write_bytes((tmp_path / "holes").read_bytes())
    (tmp_path / "longer").write_bytes((tmp_path / "holes").read_bytes() + b"\0")
    digests = [digest_of_content(tmp_path / name) for name in ("holes", "plain", "longer")]
    assert digests[0] == digests[1] != digests[2]


def test_what_is_kept_may_have_moved_anywhere(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"aaaabbbbcccc")
    (tmp_path / "new").write_bytes(b"ccccXaaaa")
    pieces = write_kept(tmp_path / "old", [Kept(8, 0, 4), Kept(0, 5, 4)], tmp_path / "kept")
    assert pieces == (Piece(source=Source.NEW, size=4, start=5), Piece(source=Source.KEPT, size=4),
                      Piece(source=Source.NEW, size=4, start=0))  # fmt: skip
    rebuild(tmp_path / "new", tmp_path / "kept", pieces, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"aaaabbbbcccc"


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"a" * 100)
    (tmp_path / "new").write_bytes(b"")
    pieces = write_kept(tmp_path / "old", [], tmp_path / "kept")
    for wrong in ((*pieces, *pieces), (Piece(source=Source.NEW, size=1),)):
        (tmp_path / "out").unlink(missing_ok=True)
        with pytest.raises(MalformedError):
            rebuild(tmp_path / "new", tmp_path / "kept", wrong, tmp_path / "out")
