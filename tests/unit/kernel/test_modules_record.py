# SPDX-License-Identifier: GPL-2.0-or-later
"""What a directory's modules export: read once, and anew after any change of a file or of what was kept."""

from pathlib import Path

import pytest

from dlkm.kernel import modules_record
from dlkm.kernel.installed import Installed
from dlkm.kernel.modules_record import exports_of_modules
from dlkm.kernel.symvers import KernelSymbol
from tests.unit.ko.elf_builder import Exported, tiny_module

GIVEN = KernelSymbol("given", 7, "giver", gpl=False, namespace="")


def _put(root: Path, name: str, *names: str) -> None:
    exports = [Exported(name=one, crc=7) for one in names]
    fields, versions = [("license", "GPL"), ("name", name.rpartition("/")[2])], {"kfree": 9, name: 9}
    (root / f"{name}.ko").write_bytes(tiny_module(modinfo=fields, exports=exports, versions=versions).build())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "modules"
    (found / "kernel").mkdir(parents=True)
    _put(found, "kernel/giver", "given")
    return found


def test_read_once(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = exports_of_modules(Installed(root), tmp_path / "home")
    expected = {name: KernelSymbol(name, 9, "", gpl=False, namespace="") for name in ("kfree", "kernel/giver")}
    assert first == {"given": GIVEN, **expected}
    monkeypatch.setattr(modules_record, "read_module", lambda _path: pytest.fail("read again"))
    assert exports_of_modules(Installed(root), tmp_path / "home") == first


def test_what_others_expect_says_nothing_of_the_kernel(root: Path, tmp_path: Path) -> None:
    (root / "updates").mkdir()
    _put(root, "updates/stranger", "strange")
    found = exports_of_modules(Installed(root), tmp_path / "home")
    assert "strange" in found
    assert "updates/stranger" not in found


def test_another_file_and_a_changed_one(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "more" not in exports_of_modules(Installed(root), home)
    _put(root, "second", "more")
    assert "more" in exports_of_modules(Installed(root), home)
    _put(root, "kernel/giver", "taken")
    assert "given" not in exports_of_modules(Installed(root), home)


def test_what_was_tampered_with_is_not_believed(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = exports_of_modules(Installed(root), home)
    (path,) = home.iterdir()
    path.write_bytes(path.read_bytes().replace(b"0x00000007", b"0x00000008"))
    assert exports_of_modules(Installed(root), home) == first
    path.write_bytes(b"")
    assert exports_of_modules(Installed(root), home) == first
