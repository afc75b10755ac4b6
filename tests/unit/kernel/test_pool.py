# SPDX-License-Identifier: GPL-2.0-or-later
"""The pool: what damage and hostile records do, what interrupted work leaves, and the lock."""

import errno
import fcntl
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkm.core.errors import ExitStatus, MalformedError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import StorageError
from dlkm.kernel.debian import add
from dlkm.kernel.pool import Broken, DamagedError, Pool, natural
from dlkm.kernel.record import Record
from tests.unit.kernel.fake_debian import FakeDebian

ID = "6.1.0-10-amd64"


@pytest.fixture
def filled(pool: Pool) -> Pool:
    add(ID, pool, Events(), FakeDebian())
    return pool


def test_releases_are_in_the_order_people_expect() -> None:
    assert sorted(["6.1.0-10-amd64", "6.12.1-amd64", "6.1.0-9-amd64", "6.1.0-9-rt-amd64"], key=natural) == [
        "6.1.0-9-amd64",
        "6.1.0-9-rt-amd64",
        "6.1.0-10-amd64",
        "6.12.1-amd64",
    ]


@pytest.mark.parametrize("part", ["image", "symvers", "config_file"])
@pytest.mark.parametrize("gone", [True, False])
def test_what_answers_rest_on_is_verified_when_taken(filled: Pool, part: str, gone: bool) -> None:  # noqa: FBT001
    path: Path = getattr(filled.get(ID), part)
    if gone:
        path.unlink()
    else:
        status = path.stat()
        path.write_bytes(b"x" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DamagedError, match=str(path)) as caught:
        filled.take(ID)
    assert caught.value.status == ExitStatus.FETCH
    assert caught.value.hint == f"restore it: dlkm kernel add debian:{ID}"


def test_whole_verification_sees_what_time_and_size_hide(filled: Pool) -> None:
    path = filled.home(ID) / "tree/usr/src" / f"linux-headers-{ID}" / "Makefile"
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert filled.damage(ID, whole=False) == ()
    assert filled.damage(ID, whole=True) == (str(path),)


def test_a_touched_file_with_the_same_bytes_is_whole(filled: Pool) -> None:
    os.utime(filled.home(ID) / "tree/usr/src" / f"linux-headers-{ID}" / "Makefile", (0, 0))
    assert filled.damage(ID, whole=False) == ()


def test_a_changed_link_and_a_changed_list_are_damage(filled: Pool) -> None:
    link = filled.home(ID) / "tree/lib/modules" / ID / "build"
    link.unlink()
    link.symlink_to("/usr/src")
    assert filled.damage(ID, whole=False) == (str(link),)
    (filled.home(ID) / "manifest.json").write_text("{}")
    assert filled.damage(ID, whole=False) == (str(filled.home(ID) / "manifest.json"),)


HOSTILE = [
    b"",
    b"{",
    b"[" * 100_000,
    b"null",
    b"\xff\xfe",
    b'{"format": 99}',
    b" " * (2 << 20),
    json.dumps({"format": 1, "release": "../../etc", "id": ID}).encode(),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_record_never_keeps_the_rest_from_working(filled: Pool, content: bytes) -> None:
    shutil.copytree(filled.home(ID), filled.home("6.1.0-11-amd64"), symlinks=True)
    (filled.home("6.1.0-11-amd64") / "kernel.json").write_bytes(content)
    assert [kernel.id for kernel in filled.list()] == [ID]
    assert [entry.id for entry in filled.records() if isinstance(entry, Broken)] == ["6.1.0-11-amd64"]
    with pytest.raises(DamagedError):
        filled.take("6.1.0-11-amd64")
    assert filled.remove("6.1.0-11-amd64")
    assert filled.ids() == (ID,)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../x", "a/../../x", "", "a\0b"])
@pytest.mark.parametrize("key", ["parts", "digests"])
def test_a_record_cannot_point_outside(filled: Pool, key: str, path: str) -> None:
    table = json.loads((filled.home(ID) / "kernel.json").read_text())
    table[key] = {"image": path} if key == "parts" else {path: "0"}
    with pytest.raises(MalformedError):
        Record.parse(json.dumps(table).encode(), "here")


def test_a_record_of_another_kernel_is_none(filled: Pool) -> None:
    shutil.copytree(filled.home(ID), filled.home("6.1.0-11-amd64"), symlinks=True)
    assert [kernel.id for kernel in filled.list()] == [ID]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
KEYS = ("format", "id", "release", "arch", "origin", "size", "vermagic", "compiler", "exports", "parts", "packages")


@given(st.dictionaries(st.sampled_from((*KEYS, "digests", "manifest")), JSON))
def test_any_json_is_a_record_or_malformed(table: dict[str, object]) -> None:
    whole = {
        "format": 1, "id": "6", "release": "6.1", "arch": "arm64", "origin": "x", "size": 0, "vermagic": None,
        "compiler": None, "exports": None, "parts": {}, "packages": [], "digests": {}, "manifest": None,
    }  # fmt: skip
    try:
        Record.parse(json.dumps(whole | table).encode(), "here").kernel(Path("/pool"))
    except MalformedError:
        return


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Record.parse(data, "here")


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_stays(pool: Pool) -> None:
    for name in ("6.1.0-1-amd64", "6.1.0-2-amd64", "old-abc"):
        (pool.root / ".scratch" / name / "tree").mkdir(parents=True)
    downloads = pool.root / ".downloads"
    (downloads / "6.1.0-3-amd64").mkdir(parents=True)
    (downloads / "6.1.0-4-amd64").mkdir()
    os.utime(downloads / "6.1.0-3-amd64", (0, 0))
    (pool.root / ".locks").mkdir()
    with (pool.root / ".locks/6.1.0-2-amd64").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        pool.sweep()
    assert {path.name for path in (pool.root / ".scratch").iterdir()} == {"6.1.0-2-amd64"}
    assert {path.name for path in downloads.iterdir()} == {"6.1.0-4-amd64"}


def test_scratch_starts_empty_and_leaves_nothing(pool: Pool) -> None:
    stale = pool.root / ".scratch" / ID
    (stale / "tree").mkdir(parents=True)
    # A program that outlived its dlkm still has the old directory: it must not write into the new one.
    descriptor = os.open(stale, os.O_RDONLY)
    try:
        with pool.scratch(ID) as made:
            assert list(made.iterdir()) == []
            assert os.fstat(descriptor).st_ino != made.stat().st_ino
    finally:
        os.close(descriptor)
    assert list((pool.root / ".scratch").iterdir()) == []


def test_a_disk_that_is_full_is_told_whichever_step_it_stops(pool: Pool) -> None:
    def fill(number: int) -> None:
        with pool.scratch(ID) as made:
            (made / "half").write_text("half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError, match=f"{ID}: No space left on device"):
        fill(errno.ENOSPC)
    assert list((pool.root / ".scratch").iterdir()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        fill(errno.EBADF)


def test_a_broken_off_download_is_kept_to_go_on_with(pool: Pool) -> None:
    def break_off() -> None:
        with pool.downloads(ID) as folder:
            (folder / "part").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    with pool.downloads(ID) as folder:
        assert (folder / "part").read_text() == "half"
    assert not folder.exists()


def test_unknown_ids(pool: Pool) -> None:
    assert pool.get(ID) is None
    assert pool.get("../../etc") is None
    assert not pool.remove(ID)
    assert pool.list() == ()
    with pytest.raises(UsageError):
        pool.take(ID)


def test_taking_a_kernel_reads_little(filled: Pool) -> None:
    started = time.perf_counter()
    filled.take(ID)
    assert time.perf_counter() - started < 0.05
