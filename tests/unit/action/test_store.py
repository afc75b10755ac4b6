# SPDX-License-Identifier: GPL-2.0-or-later
"""The store on disk: what goes in comes out the same or not at all, and it stays within its limit."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkm.action.digest import Digest, digest_of
from dlkm.action.outcome import Outcome, OutFile
from dlkm.action.store import Store, parse_size
from dlkm.core.errors import UsageError

ACTION = digest_of(b"an action")


def _store(home: Path, limit: int = 1 << 20) -> Store:
    return Store(home / "store", limit)


def _outputs(folder: Path) -> list[tuple[str, Path]]:
    (folder / "sub").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "sub" / "x.ko").write_bytes(b"module")
    (folder / "run").write_bytes(b"#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("sub/x.ko")
    return [(str(path.relative_to(folder)), path) for path in sorted(folder.rglob("*"))]


def _filled(store: Store, folder: Path) -> Outcome:
    outcome = store.gather(_outputs(folder), {"log": b"said\n"})
    store.keep(ACTION, outcome)
    return outcome


def _blob(store: Store, data: bytes) -> Path:
    name = digest_of(data).hash
    return store.home / "cas" / name[:2] / name


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _filled(store, tmp_path / "made")
    outcome = store.get(ACTION)
    assert outcome is not None
    assert store.lay_out(outcome, tmp_path / "out")
    assert (tmp_path / "out/sub/x.ko").read_bytes() == b"module"
    assert (tmp_path / "out/log").read_bytes() == b"said\n"
    assert os.access(tmp_path / "out/run", os.X_OK)
    assert (tmp_path / "out/sub/x.ko").stat().st_mode & 0o111 == 0
    assert (tmp_path / "out/link").readlink() == Path("sub/x.ko")
    assert (tmp_path / "out/empty").is_dir()


def test_what_nobody_kept_is_not_known(tmp_path: Path) -> None:
    assert _store(tmp_path).get(ACTION) is None


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"Module"), lambda path: path.write_bytes(b"")])
def test_a_damaged_blob_is_as_if_it_were_not_there(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    store = _store(tmp_path)
    outcome = _filled(store, tmp_path / "made")
    damage(_blob(store, b"module"))
    assert not store.lay_out(outcome, tmp_path / "out")
    assert store.get(ACTION) is None
    _filled(store, tmp_path / "again")
    assert store.lay_out(outcome, tmp_path / "out2")


@given(st.data())
def test_a_damaged_outcome_is_as_if_it_were_not_there(data: st.DataObject) -> None:
    raw = Outcome(files=(OutFile(path="a/x.ko", digest=ACTION),), links=(("l", "x"),), folders=("d",)).encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:place] + bytes([raw[place] ^ data.draw(st.integers(1, 255))]) + raw[place + 1 :]
    assert Outcome.parse(changed) is None
    assert Outcome.parse(raw[: data.draw(st.integers(0, len(raw) - 1))]) is None


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ""])
def test_no_outcome_leads_out(path: str) -> None:
    with pytest.raises(ValueError):
        Outcome(files=(OutFile(path=path, digest=ACTION),))
    with pytest.raises(ValueError):
        Outcome(files=(), links=((path, "x"),))


def test_no_outcome_writes_through_a_link_of_its_own() -> None:
    with pytest.raises(ValueError):
        Outcome(files=(OutFile(path="a/b", digest=ACTION),), links=(("a", "/etc"),))
    with pytest.raises(ValueError):
        Outcome(files=(OutFile(path="a", digest=ACTION),), links=(("a", "/etc"),))
    with pytest.raises(ValueError):
        Outcome(files=(), links=(("a", "/etc"),), folders=("a/b",))


def test_what_is_used_the_least_goes_first(tmp_path: Path) -> None:
    store = _store(tmp_path, limit=10_000)
    for number in range(30):
        path = _blob(store, data := bytes([number]) * 1000)
        store.put(data)
        os.utime(path, (1000 + number, 1000 + number))
    os.utime(_blob(store, bytes(1000)))  # the oldest is used
    store.settle()
    left = [number for number in range(30) if store.has(digest_of(bytes([number]) * 1000))]
    assert left == [0, *range(23, 30)]
    assert store.usage().size <= 8_000


def test_within_the_limit_nothing_goes(tmp_path: Path) -> None:
    store = _store(tmp_path, limit=100_000)
    for number in range(30):
        store.put(bytes([number]) * 1000)
        store.settle()
    assert store.usage().blobs == 30


def test_a_lost_count_is_taken_anew(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.put(b"x" * 1000)
    store.settle()
    (store.home / "usage").write_text("nonsense")
    store.put(b"y" * 1000)
    store.settle()
    assert int((store.home / "usage").read_text()) == 2000


def test_verifying_throws_away_what_is_damaged(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _filled(store, tmp_path / "made")
    store.write_note("ab" * 32, b"{}")
    checked, damaged = store.verify()
    assert (checked, damaged) == (5, 0)
    _blob(store, b"module").write_bytes(b"mOdule")
    assert store.verify() == (5, 1)
    assert store.verify() == (4, 0)


def test_many_at_once(tmp_path: Path) -> None:
    def work(number: int) -> None:
        store = _store(tmp_path, limit=20_000)
        made = store.gather([], {str(one): bytes([one]) * 500 for one in range(number % 7, 20)})
        store.keep(digest_of(str(number % 5).encode()), made)
        store.settle()
        known = store.get(digest_of(str(number % 5).encode()))
        if known is not None:
            store.lay_out(known, tmp_path / f"out{number}")

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(work, range(100)))
    assert _store(tmp_path).verify()[1] == 0


@pytest.mark.parametrize(
    ("text", "size"), [("10", 10), ("3K", 3072), ("2m", 2 << 20), ("4G", 4 << 30), ("1T", 1 << 40)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "4X", "1.5G", "-", "4 GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


def test_a_size_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLKM_CACHE_SIZE", "much")
    with pytest.raises(UsageError, match="DLKM_CACHE_SIZE=much"):
        Store(tmp_path)


@pytest.mark.parametrize("text", ["", "abc/1", f"{'a' * 64}", f"{'A' * 64}/1", f"{'a' * 64}/x", f"{'a' * 64}/-1"])
def test_what_is_no_digest(text: str) -> None:
    with pytest.raises(ValueError):
        Digest.parse(text)
