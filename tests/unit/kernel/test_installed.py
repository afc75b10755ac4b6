# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules directory: names, built-in modules, and the order to load in."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from dlkm.core.names import module_name
from dlkm.kernel.installed import Installed

DEPENDS = {"a_one": ["b-two", "gone", "fs_builtin"], "b_two": ["c"], "c": ["d"], "d": ["b_two"], "e": []}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    for name in ("kernel/net/a-one.ko.xz", "kernel/b_two.ko", "kernel/fs/c.ko.zst", "kernel/d.ko.gz", "updates/e.ko"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "kernel/e.ko").touch()
    (tmp_path / "kernel/notes.txt").touch()
    (tmp_path / "modules.builtin").write_text("kernel/fs/fs-builtin.ko\n\n")

    def read_module(path: Path) -> SimpleNamespace:
        return SimpleNamespace(depends=DEPENDS[module_name(path.name)])

    monkeypatch.setattr("dlkm.ko.module.read_module", read_module)
    return Installed(tmp_path)


def test_found_by_either_spelling(modules: Installed) -> None:
    assert modules.find("a_one") == modules.find("a-one") == modules.modules_dir / "kernel/net/a-one.ko.xz"
    assert modules.find("gone") is None


def test_updates_win_and_every_file_is_listed(modules: Installed) -> None:
    assert modules.find("e") == modules.modules_dir / "updates/e.ko"
    assert sum(1 for _ in modules.files()) == 6


def test_builtin(modules: Installed, tmp_path: Path) -> None:
    assert modules.builtin == {"fs_builtin"}
    assert Installed(tmp_path / "none").builtin == frozenset()
    assert list(Installed(tmp_path / "none").files()) == []


def test_dependencies_first_cycles_and_unknown_names_included(modules: Installed) -> None:
    assert [path.name for path in modules.load_order(["a-one", "e"])] == [
        "d.ko.gz",
        "c.ko.zst",
        "b_two.ko",
        "a-one.ko.xz",
        "e.ko",
    ]
    assert modules.load_order([]) == modules.load_order(["fs_builtin"]) == ()
