# SPDX-License-Identifier: GPL-2.0-or-later
"""What was read of kernels stays within its bounds, and goes when it is old or its kernel is removed."""

import os
import time
from pathlib import Path

import pytest

from dlkm.cli.main import main
from dlkm.core.arch import arch_named
from dlkm.kernel import readings
from dlkm.kernel.adopt import adopt
from dlkm.kernel.image_record import record_files, recorded, recorded_exports
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from tests.unit.kernel.image_builder import raw_image

IDS = ("6.1.0-8-amd64", "6.1.0-9-amd64")
DAY = 86400


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make(pool: Pool, name: str) -> Kernel:
    with pool.locked(name), pool.scratch(name) as made:
        image = made / "tree/boot/vmlinuz"
        image.parent.mkdir(parents=True)
        image.write_bytes(raw_image())
        kernel = Kernel(
            id=name, release=name, arch=arch_named("x86_64"), origin="test", image=image, tree=made / "tree"
        )
        return adopt(pool, name, kernel, made)


def kept() -> set[str]:
    return {path.name for path in readings.folder("images").iterdir()}


def age(path: Path, days: int) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def names_of(kernel: Kernel) -> set[str]:
    return {path.name for path in record_files(kernel)}


def test_what_was_not_asked_for_the_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "COUNT", 2)
    home = tmp_path / "home"
    for number, name in enumerate("ab"):
        readings.keep(home / name, name)
        age(home / name, 9 - number)
    readings.asked_for(home / "a")
    readings.keep(home / "c", "c")
    assert {path.name for path in home.iterdir()} == {"a", "c"}


def test_all_of_them_have_some_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setattr(readings, "ROOM", 5)
    for number, name in enumerate("abc"):
        readings.keep(home / name, "two")
        age(home / name, 9 - number)
    assert {path.name for path in home.iterdir()} == {"c"}


def test_asking_keeps_it() -> None:
    kernel = make(Pool(), IDS[0])
    first = recorded_exports(kernel)
    for name in kept():
        age(readings.folder("images") / name, 50)
    assert recorded_exports(kernel) == first
    assert not [path for path, _ in readings.old(DAY) if path.suffix in {".json", ".symvers"}]


def test_rm_takes_what_was_kept_of_that_kernel_along() -> None:
    one, other = (make(Pool(), name) for name in IDS)
    for kernel in (one, other):
        recorded(kernel)
    assert kept() & names_of(one)
    assert main(["kernel", "rm", one.id]) == 0
    assert not kept() & names_of(one)
    assert kept() & names_of(other)


def test_prune_takes_what_nobody_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    kernel = make(Pool(), IDS[0])
    recorded(kernel)
    gone, read = readings.folder("images") / "gone.btf", readings.folder("types") / "gone.json"
    for path in (gone, read):
        readings.keep(path, bytes(2_000_000))
        age(path, 50)
    assert main(["kernel", "prune", "--days", "40", "--dry-run"]) == 0
    assert gone.exists()
    assert capsys.readouterr().out == "4 MB would become free\n"
    assert main(["kernel", "prune", "--days", "40"]) == 0
    assert capsys.readouterr().out == "4 MB became free\n"
    assert not gone.exists()
    assert not read.exists()
    assert kept() <= names_of(kernel)
