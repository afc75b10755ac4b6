# SPDX-License-Identifier: GPL-2.0-or-later
"""The record of an image: as the image, after every change of it, and whatever became of the record."""

import json
import os
from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.kernel import image_record
from dlkm.kernel.facts import Facts
from dlkm.kernel.image_record import recorded, recorded_exports, symvers_text
from dlkm.kernel.kernel import Kernel
from tests.unit.kernel.image_builder import EXPECTED, Tables, raw_image, vmlinux


def _kernel(root: Path, image: bytes, symvers: str | None = None) -> Kernel:
    (root / "vmlinuz").write_bytes(image)
    listed = root / "Module.symvers"
    if symvers is not None:
        listed.write_text(symvers)
    return Kernel(
        id="6.1.0-9-test",
        release="6.1.0-9-test",
        arch=arch_named("x86_64"),
        origin="test",
        image=root / "vmlinuz",
        symvers=listed if symvers is not None else None,
    )


def test_what_it_tells(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path, vmlinux())
    found = recorded(kernel)
    assert found is not None
    assert (found.release, found.certificates, found.exports, found.fault) == ("6.1.0-9-test", (), True, None)
    assert recorded_exports(kernel) == EXPECTED
    assert recorded(kernel) == found
    assert recorded_exports(kernel) == EXPECTED


def test_without_an_image() -> None:
    kernel = Kernel(id="6.1", release="6.1", arch=arch_named("x86_64"), origin="test")
    assert recorded(kernel) is None
    assert recorded_exports(kernel) == {}


def test_an_image_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = _kernel(tmp_path, vmlinux())
    found = recorded(kernel)
    monkeypatch.setattr(image_record._Cache, "_read", lambda _self: pytest.fail("read again"))
    assert recorded(kernel) == found
    os.utime(tmp_path / "vmlinuz", (1, 1))  # another time, the same bytes
    assert recorded(kernel) == found
    assert recorded_exports(kernel) == EXPECTED


def test_another_image_is_read_anew(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path, vmlinux())
    assert recorded_exports(kernel) == EXPECTED
    (tmp_path / "vmlinuz").write_bytes(vmlinux().replace(b"kfree\0", b"kfrei\0"))
    assert "kfrei" in recorded_exports(kernel)
    (tmp_path / "vmlinuz").write_bytes(b"nothing")
    found = recorded(kernel)
    assert found is not None
    assert found.fault is not None
    assert recorded_exports(kernel) == {}


@pytest.mark.parametrize("damage", [b"", b"{}", b"null", b"[" * 5000, b'{"format": 1, "check": "", "body": "{}"}'])
def test_a_damaged_record_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    kernel, home = _kernel(tmp_path, vmlinux()), tmp_path / "home"
    found = recorded(kernel, home)
    for path in home.iterdir():
        path.write_bytes(damage)
    assert recorded(kernel, home) == found
    assert recorded_exports(kernel, home) == EXPECTED


def test_a_record_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    kernel, home = _kernel(tmp_path, vmlinux()), tmp_path / "home"
    found = recorded(kernel, home)
    (path,) = home.glob("*.json")
    outer = json.loads(path.read_text())
    outer["body"] = outer["body"].replace("6.1.0-9-test", "6.1.0-8-test")
    path.write_text(json.dumps(outer))
    assert recorded(kernel, home) == found
    (exports,) = home.glob("*.symvers")
    exports.write_bytes(exports.read_bytes().replace(b"kfree", b"kfrei"))
    assert recorded_exports(kernel, home) == EXPECTED


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a directory should be")
    assert recorded_exports(_kernel(tmp_path, raw_image()), tmp_path / "home") == EXPECTED


def test_a_module_symvers_of_another_build(tmp_path: Path) -> None:
    rows = symvers_text(EXPECTED.values())
    more = "0x00000007\tgiven\tdrivers/giver\tEXPORT_SYMBOL\t\n"
    assert Facts(_kernel(tmp_path, vmlinux(), rows + more)).stale is None
    stale = rows.replace("0x037a0cba", "0x037a0cbb").replace("alpha_gpl", "omega_gpl") + more
    facts = Facts(_kernel(tmp_path, vmlinux(), stale))
    assert facts.stale is not None
    assert (facts.stale.differing, facts.stale.names) == (3, ("alpha_gpl", "kfree", "omega_gpl"))
    assert {name: one for name, one in facts.exports.items() if one.from_kernel} == EXPECTED
    assert facts.exports["given"].crc == 7


def test_no_module_symvers_at_all_is_not_stale(tmp_path: Path) -> None:
    assert Facts(_kernel(tmp_path, raw_image(Tables()), "no rows")).stale is None
