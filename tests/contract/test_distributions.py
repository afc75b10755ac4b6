# SPDX-License-Identifier: GPL-2.0-or-later
"""Roots in the shapes of other distributions: which file wins there by kmod itself, and an initramfs in three parts."""

import subprocess
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from tests.contract.audit_roots import BASE, audited, module, run_depmod
from tests.contract.images import CPIO
from tests.unit.rootfs.support import RELEASE, put

pytestmark = pytest.mark.contract

SHAPES = {  # their depmod.d, how their modules are packed
    "ubuntu": ("usr/lib/depmod.d/ubuntu.conf", "search updates ubuntu built-in\n", "zst"),
    "fedora": ("usr/lib/depmod.d/dist.conf", "search updates extra built-in weak-updates\n", "xz"),
    "suse": ("usr/lib/depmod.d/00-system.conf", "search updates extra weak-updates kgraft built-in\n", "zst"),
}
PACKERS = {"xz": ("xz", "--check=crc32"), "zst": ("zstd", "-q")}


def _packed(data: bytes, suffix: str) -> bytes:
    argv = (*PACKERS[suffix], "-c")
    return subprocess.run(argv, input=data, env=environment(), capture_output=True, check=True).stdout


def _root(root: Path, shape: str, *places: str) -> str:
    """A merged-/usr root with an in-tree acme.ko and others of that name; the suffix of its modules."""
    conf, line, suffix = SHAPES[shape]
    usr = f"usr/{BASE}"
    files: dict[str, bytes | str] = {conf: line, "lib": "-> usr/lib", "bin": "-> usr/bin", "sbin": "-> usr/sbin"}
    files |= {f"{usr}/modules.{name}": "" for name in ("order", "builtin", "builtin.modinfo")}
    files |= {"usr/bin/kmod": (Path("/bin/kmod")).read_bytes(), "usr/sbin/modprobe": "-> ../bin/kmod"}
    files[f"{usr}/kernel/drivers/acme.ko.{suffix}"] = _packed(module("acme", own=True), suffix)
    for number, place in enumerate(places):
        files[f"{usr}/{place}/acme.ko.{suffix}"] = _packed(module("acme", version=f"2.{number}"), suffix)
    put(root, files)
    (root / "etc").mkdir()
    (root / "etc/depmod.d").symlink_to("../usr/lib/depmod.d")
    run_depmod(root)
    return suffix


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "places",
    [("updates/dkms",), ("ubuntu/acme",), ("weak-updates/acme",), ("updates", "extra/acme"), ("ubuntu", "updates/dkms"),
     ("kgraft", "weak-updates")],
    ids=" and ".join,
)  # fmt: skip
def test_the_file_that_wins_is_the_one_that_modprobe_loads(tmp_path: Path, shape: str, places: tuple[str, ...]) -> None:
    root = tmp_path / "root"
    _root(root, shape, *places)
    argv = ("modprobe", "-d", root, "-C", root / "etc", "-S", RELEASE, "--show-depends", "acme")
    shown = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=True).stdout.split()
    audit = audited(root, "acme")
    (choice,) = audit.modules
    assert choice.wins == str(Path(shown[1]).resolve().relative_to(root.resolve()))
    assert "depmod-stale" not in {one.rule for one in audit.findings}


def _archive(folder: Path) -> bytes:
    return subprocess.run(["sh", "-c", CPIO], cwd=folder, capture_output=True, check=True).stdout


@pytest.mark.parametrize("stale", [True, False], ids=["stale", "made anew"])
def test_modules_in_an_archive_of_their_own_before_the_packed_one(tmp_path: Path, *, stale: bool) -> None:
    """As Ubuntu's mkinitramfs does: microcode, packed modules and firmware in a plain archive, the rest with zstd."""
    root, parts = tmp_path / "root", [tmp_path / name for name in ("early", "modules", "main")]
    suffix = _root(root, "ubuntu", "updates/dkms")
    place = "kernel/drivers" if stale else "updates/dkms"
    held = f"usr/{BASE}/{place}/acme.ko.{suffix}"
    put(parts[0], {"kernel/x86/microcode/GenuineIntel.bin": bytes(3000)})
    put(parts[1], {held: (root / held).read_bytes()})
    put(parts[2], {"lib": "-> usr/lib", "usr/lib/empty": ""})
    early, modules, main = map(_archive, parts)
    (root / "boot").mkdir()
    (root / f"boot/initrd.img-{RELEASE}").write_bytes(early + bytes(512) + modules + _packed(main, "zst"))
    rules = {one.rule for one in audited(root).findings}
    assert ("initramfs-lacks-winner" in rules) is stale
    assert "initramfs-unreadable" not in rules
