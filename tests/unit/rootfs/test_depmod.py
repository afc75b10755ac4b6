# SPDX-License-Identifier: GPL-2.0-or-later
"""What depmod gets to see of a root: the module files of the target, no more, however the root is made."""

import os
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError, MissingToolError
from dlkm.core.events import Events
from dlkm.rootfs import modtree
from dlkm.rootfs.depmod import Depmod, depmod, winners
from dlkm.rootfs.plan import Content
from dlkm.rootfs.planner import Planner
from dlkm.rootfs.root import DirectoryRoot
from tests.unit.rootfs.support import RELEASE, ListingDepmod, put

BASE = f"lib/modules/{RELEASE}"


def _run(root: Path, runner: ListingDepmod, *removed: str, **added: Path) -> Depmod:
    """Of the root as it will be, without some files below the modules directory and with others in updates/."""
    with DirectoryRoot(root) as opened:
        planner = Planner(opened)
        for path in removed:
            planner.remove(opened.place(f"{BASE}/{path}"))
        for name, source in added.items():
            planner.write(f"{BASE}/updates/{name}.ko", Content.of(source))
        return depmod(planner.after, RELEASE, runner=runner, events=Events())


def test_links_count_as_on_the_target(tmp_path: Path) -> None:
    put(tmp_path, {
        "outside.ko": "no",
        "root/opt/vendor/a.ko": "x",
        f"root/{BASE}/extra": "-> /opt/vendor",
        f"root/{BASE}/kernel/plain/deep/b.ko.xz": "x",
        f"root/{BASE}/kernel/weak/c.ko": "-> ../../../../../opt/vendor/a.ko",
        f"root/{BASE}/kernel/out/d.ko": f"-> {tmp_path}/outside.ko",
        f"root/{BASE}/kernel/out/e.ko": "-> nowhere",
        f"root/{BASE}/build": "-> /opt",
        f"root/{BASE}/kernel/readme": "x",
    })  # fmt: skip
    runner = ListingDepmod()
    made = _run(tmp_path / "root", runner)
    assert runner.seen == ["extra/a.ko", "kernel/plain/deep/b.ko.xz", "kernel/weak/c.ko"]
    assert made.winners == {"a": "extra/a.ko", "b": "kernel/plain/deep/b.ko.xz", "c": "kernel/weak/c.ko"}


def test_circles_pipes_and_odd_names_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, {f"{BASE}/kernel/again": "-> ..", f"{BASE}/kernel/me": "-> me", f"{BASE}/kernel/ok.ko": "x",
                   f"{BASE}/kernel/a b.ko": "x", f"{BASE}/kernel/x:\ny.ko": "x",
                   f"{BASE}/kernel/ü.ko": "x"})  # fmt: skip
    os.mkfifo(tmp_path / BASE / "kernel/pipe.ko")
    os.mkfifo(tmp_path / BASE / "modules.order")
    runner = ListingDepmod()
    made = _run(tmp_path, runner)
    assert runner.seen == ["kernel/ok.ko"]
    assert len(made.warnings) == 5
    assert all("\n" not in warning for warning in made.warnings)


def test_what_is_added_and_what_goes(tmp_path: Path) -> None:
    put(tmp_path, {"new.ko": "new", f"root/{BASE}/updates/old.ko": "x", f"root/{BASE}/updates/new.ko": "x",
                   f"root/{BASE}/updates/dkms/other.ko": "x"})  # fmt: skip
    runner = ListingDepmod()
    _run(tmp_path / "root", runner, "updates/old.ko", new=tmp_path / "new.ko")
    assert runner.seen == ["updates/dkms/other.ko", "updates/new.ko"]
    assert (tmp_path / f"root/{BASE}/updates/new.ko").read_text() == "x"


def test_the_targets_own_configuration_goes_with_it(tmp_path: Path) -> None:
    put(tmp_path, {"etc/depmod.d/a.conf": "search extra updates built-in\nexternal * /opt\noverride x * \\\nextra\n",
                   "usr/lib/depmod.d/a.conf": "search hidden", "usr/lib/depmod.d/b.conf": "exclude foo"})  # fmt: skip
    runner = ListingDepmod()
    made = _run(tmp_path, runner)
    assert runner.configuration == {
        "a.conf": "search extra updates built-in\noverride x * extra\n",
        "b.conf": "exclude foo\n",
    }
    assert made.warnings == ("etc/depmod.d/a.conf: 'external' is not followed",)


def test_complaints_that_are_nobodys_mistake_are_left_out(tmp_path: Path) -> None:
    runner = ListingDepmod()
    runner.says = (
        b"depmod: WARNING: could not open modules.order at /x: No such file or directory\n"
        b"depmod: WARNING: could not open modules.builtin.modinfo at /x: No such file or directory\n"
        b"depmod: WARNING: something else\n"
    )
    assert _run(tmp_path, runner).warnings == ("depmod: WARNING: something else",)


def test_without_kmod_the_package_is_named(tmp_path: Path) -> None:
    runner = ListingDepmod()
    runner.installed = False
    with pytest.raises(MissingToolError) as caught:
        _run(tmp_path, runner)
    assert (caught.value.hint or "").endswith("install kmod")


def test_a_failing_depmod_is_an_error(tmp_path: Path) -> None:
    runner = ListingDepmod()
    runner.status, runner.says = 1, b"depmod: ERROR: cycle"
    with pytest.raises(MalformedError, match="cycle"):
        _run(tmp_path, runner)


def test_there_is_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories that lead to each other multiply without any circle."""
    files = {f"{BASE}/d{level}/{name}": f"-> ../d{level + 1}" for level in range(30) for name in "ab"}
    put(tmp_path, {**files, f"{BASE}/d30/x.ko": "x"})
    monkeypatch.setattr(modtree, "MOST_FILES", 100)
    with pytest.raises(MalformedError, match="more than 100 "):
        _run(tmp_path, ListingDepmod())


def test_winners_of_a_modules_dep() -> None:
    text = b"updates/snd-my.ko.xz: kernel/a.ko\nkernel/a.ko:\n"
    assert winners({"modules.dep": text}) == {"snd_my": "updates/snd-my.ko.xz", "a": "kernel/a.ko"}
    assert winners({}) == {}
