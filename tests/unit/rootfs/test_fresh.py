# SPDX-License-Identifier: GPL-2.0-or-later
"""depmod's files count as right again only while every file that depmod reads, and each it made, is what it was."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dlkm.core.kept import Kept
from dlkm.rootfs import fresh
from dlkm.rootfs.fresh import Fresh
from dlkm.rootfs.release import Release
from dlkm.rootfs.root import DirectoryRoot
from dlkm.rootfs.settings import Settings
from tests.unit.rootfs.support import RELEASE, put

MODULES = f"usr/lib/modules/{RELEASE}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two modules and tables: what they say is for depmod to know."""
    made = tmp_path / "root"
    put(made, {f"{MODULES}/kernel/one.ko": b"one", f"{MODULES}/kernel/two.ko": b"two", "lib": "-> usr/lib",
               f"{MODULES}/modules.dep": b"kernel/one.ko:\nkernel/two.ko:\n", f"{MODULES}/modules.order": b"",
               "etc/depmod.d/order.conf": b"search updates built-in\n"})  # fmt: skip
    return made


class Case:
    """Looks at the root as it is now, and digests its modules."""

    def __init__(self, root: Path, kept: Kept) -> None:
        self.root, self.kept = root, kept

    def fresh(self) -> tuple[Fresh, dict[str, str | None]]:
        with DirectoryRoot(self.root) as opened:
            release = Release(root=opened, release=RELEASE, settings=Settings.of(opened))
            files = [f"{opened.tree}/{file.real}" for file in release.tree.files]
            return Fresh(release, self.kept), {one: hashlib.sha256(Path(one).read_bytes()).hexdigest() for one in files}

    def holds(self) -> bool:
        known, digests = self.fresh()
        return known.holds(digests)

    def keep(self) -> None:
        known, digests = self.fresh()
        known.keep(digests)


@pytest.fixture
def case(root: Path, tmp_path: Path) -> Case:
    return Case(root, Kept(str(tmp_path / "cache"), str(tmp_path / "seal")))


def test_nothing_is_right_before_it_was_looked_at(case: Case) -> None:
    assert not case.fresh()[0].is_likely
    assert not case.holds()


def test_what_was_right_is_right_again_be_it_elsewhere(case: Case, root: Path) -> None:
    case.keep()
    assert case.holds()
    case.root = root.rename(root.with_name("moved"))
    assert case.fresh()[0].is_likely
    assert case.holds()


def _append(path: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / path).open("ab") as stream:
            stream.write(b"# more\n")

    return change


def _added(path: str) -> Callable[[Path], None]:
    return lambda root: put(root, {path: b"new"})


@pytest.mark.parametrize("change", [
    _append(f"{MODULES}/kernel/two.ko"),
    _append(f"{MODULES}/modules.dep"),
    _append(f"{MODULES}/modules.order"),
    _append("etc/depmod.d/order.conf"),
    _added(f"{MODULES}/modules.alias"),
    _added(f"{MODULES}/modules.builtin"),
    _added(f"{MODULES}/updates/three.ko"),
    _added("etc/depmod.d/more.conf"),
    lambda root: (root / MODULES / "kernel/one.ko").unlink(),
    lambda root: (root / MODULES / "modules.dep").unlink(),
    lambda root: (root / MODULES / "kernel/one.ko").rename(root / MODULES / "kernel/three.ko"),
])  # fmt: skip
def test_whatever_changes_it_is_found_out_anew(case: Case, root: Path, change: Callable[[Path], None]) -> None:
    case.keep()
    change(root)
    assert not case.holds()


def test_two_modules_that_changed_places(case: Case, root: Path) -> None:
    case.keep()
    one, two = (root / MODULES / "kernel" / name for name in ("one.ko", "two.ko"))
    one.write_bytes(b"two")
    two.write_bytes(b"one")
    assert not case.holds()


@pytest.mark.parametrize("files", [
    {f"{MODULES}/extra/one.ko": b"another"},  # which wins is left to the order of the directory
    {f"{MODULES}/kernel/gone.ko": "-> nowhere.ko"},
    {"etc/depmod.d/order.conf": b"external * /opt/modules\n"},
])  # fmt: skip
def test_what_is_not_all_digested_is_never_kept(case: Case, root: Path, files: dict[str, bytes | str]) -> None:
    (root / "etc/depmod.d/order.conf").unlink()
    put(root, files)
    case.keep()
    assert not case.fresh()[0].is_likely


def test_a_shadowed_module_has_a_digest_too(case: Case, root: Path) -> None:
    put(root, {f"{MODULES}/updates/one.ko": b"ours"})
    case.keep()
    assert case.holds()
    (root / MODULES / "kernel/one.ko").write_bytes(b"eno")
    assert not case.holds()


def test_a_module_that_was_not_digested(case: Case) -> None:
    known, digests = case.fresh()
    known.keep({**digests, next(iter(digests)): None})
    assert not case.fresh()[0].is_likely
    known.keep(digests)
    assert not case.fresh()[0].holds({})


def test_another_depmod(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case.keep()
    other = tmp_path / "depmod"
    other.write_bytes(b"another program")
    monkeypatch.setattr(fresh, "find_program", lambda _name: other)
    assert not case.fresh()[0].is_likely
