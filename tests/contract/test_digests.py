# SPDX-License-Identifier: GPL-2.0-or-later
"""Many files digested by several processes, one of which begins before it is asked: each file's BLAKE3."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from dlkm.core.children import Child
from dlkm.verdict import digests

pytestmark = pytest.mark.contract


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    digests.leave()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of all sizes around that of a piece, and what is none."""
    folder = tmp_path_factory.mktemp("files")
    for number in range(300):
        path = folder / f"d{number % 7}" / f"m{number}.ko"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(((number % 4) << 17) + number % 3))
    os.mkfifo(folder / "pipe.ko")
    (folder / "link.ko").symlink_to("d0/m0.ko")
    (folder / "dangling.ko").symlink_to("absent")
    return [*sorted(map(str, folder.rglob("*.ko"))), str(folder), f"{folder}/absent.ko", f"{folder}/a\0.ko"]


def _expected(files: list[str]) -> list[str | None]:
    regular = {name for name in files if "\0" not in name and Path(name).is_file()}
    return [blake3(Path(name).read_bytes()).hexdigest() if name in regular else None for name in files]


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("ahead", ["nothing", "these", "others", "twice"])
def test_digests_are_those_of_each_file(files: list[str], jobs: int, ahead: str, tmp_path: Path) -> None:
    top = files[-3]
    folders = {"nothing": [], "these": [top], "others": [str(tmp_path), "/absent"], "twice": [top, f"{top}/d1"]}[ahead]
    if folders:
        digests.begin(folders)
    assert digests.digests_of(files, jobs) == _expected(files)
    assert digests.digests_of(files[::-1], jobs) == _expected(files)[::-1]


def test_a_file_that_is_taken_for_another_is_digested_too(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_PLACES", 1 << 12)  # some of 300 have the place of another
    digests.begin([files[-3]])
    assert digests.digests_of(files, 2) == _expected(files)


def test_what_nobody_asks_for_is_left(files: list[str]) -> None:
    digests.begin([files[-3]])
    assert digests.begun() is not None
    digests.leave()
    assert digests.begun() is None


def test_one_that_is_left_while_another_waits_to_be_heard() -> None:
    """Both have more to tell than a pipe holds, and nobody listens yet."""
    first = Child.start(lambda: bytes(1 << 20))
    second = Child.start(lambda: bytes(1 << 20))
    first.abandon()
    assert len(second.collect()) == 1 << 20


def test_a_child_may_have_children_while_another_is_open() -> None:
    first = Child.start(lambda: 1)
    second = Child.start(lambda: Child.start(lambda: 2).collect())
    assert (second.collect(), first.collect()) == (2, 1)
