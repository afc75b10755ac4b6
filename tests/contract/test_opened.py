# SPDX-License-Identifier: GPL-2.0-or-later
"""Root filesystems in files that mke2fs, tar, bsdtar and cpio made: what we read is what they were made from."""

import gzip
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from dlkm.core.errors import DlkmError, MalformedError
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.filesystem.place import Kind
from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.installed import kernels_in
from dlkm.rootfs.opened import opened
from dlkm.rootfs.root import HeldRoot
from tests.contract.images import FORMS, made, make_tree, told, true

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("held") / "tree"
    make_tree(top)
    return top


@pytest.mark.parametrize("form", FORMS)
def test_what_is_read_is_what_it_was_made_of(tree: Path, tmp_path: Path, form: str) -> None:
    image = made(tree, form, tmp_path)
    with opened(image, Processes(), Events()) as root:
        found = told(root)
        assert root.place("lib/modules/6.1.0/kernel/a.ko").path == "usr/lib/modules/6.1.0/kernel/a.ko"
        assert root.place("etc/abs/6.1.0").path == "usr/lib/modules/6.1.0"
        assert root.place("etc/abs/../../../../etc").path == "etc"
        assert root.host_path("lib/modules/6.1.0").joinpath("kernel/a.ko").stat().st_size == 5000
        assert root.read("etc/modprobe.d/x.conf") == b"blacklist a\n"
        outside = root.tree
    assert not outside.exists()
    found.pop("lost+found", None)
    if "microcode" in form:
        found = {path: state for path, state in found.items() if path.partition("/")[0] != "kernel"}
    assert found == true(tmp_path / "tree")


def test_devices_and_owners(tmp_path: Path) -> None:
    """Made without root by the kernel's own way to say what an initramfs holds."""
    listing = "dir /dev 755 0 0\nnod /dev/null 666 1 2 c 1 3\nnod /dev/sda 660 0 6 b 8 0\nslink /init /bin/sh 777 3 4\n"
    (tmp_path / "list").write_text(listing)
    image = tmp_path / "x.tar"
    mtree = "#mtree\ndev type=dir mode=0755 uid=0 gid=0\ndev/null type=char mode=0666 device=linux,1,3 uid=1 gid=2\n"
    (tmp_path / "mtree").write_text(mtree)
    subprocess.run(["bsdtar", "-cf", str(image), "--format=ustar", f"@{tmp_path / 'mtree'}"], check=True)
    with opened(image, Processes(), Events()) as root:
        assert isinstance(root, HeldRoot)
        assert root.place("dev/null").kind is Kind.OTHER
        member = root.holder.members.look("dev/null")
        assert member is not None
        assert (member.uid, member.gid, member.mode) == (1, 2, 0o666)
        assert list(root.host_path("dev").iterdir()) == []


@pytest.mark.parametrize("form", ["ext4", "ext2", "tar", "tar.gz", "tar.xz", "tar.zst", "cpio", "cpio.zst",
                                  "microcode, packed"])  # fmt: skip
def test_cut_off_anywhere(tree: Path, tmp_path: Path, form: str) -> None:
    """An error or, where only padding is gone, the whole; never a part of it as if it were all.

    Cut exactly behind its microcode an initramfs is a whole one that holds microcode: that is not tried.
    """
    image = made(tree, form, tmp_path)
    data, whole = image.read_bytes(), true(tmp_path / "tree")
    chance = random.Random(1)
    somewhere = [chance.randrange(len(data)) for _ in range(6)]
    blocks = [place // 512 * 512 for place in somewhere if "microcode" not in form]
    for keep in [0, 1, 600, 1100, len(data) // 2, len(data) - 1, *somewhere, *blocks]:
        (tmp_path / "cut").write_bytes(data[:keep])
        found, error = _attempt(tmp_path / "cut")
        assert whole.items() <= found.items() or str(tmp_path / "cut") in error, keep


@pytest.mark.parametrize("form", ["ext4", "ext4 inline", "tar", "tar, pax sparse", "cpio"])
def test_damaged_anywhere(tree: Path, tmp_path: Path, form: str) -> None:
    """Whatever bytes are wrong: an answer or an error of ours, and nothing outside."""
    image = made(tree, form, tmp_path)
    data = image.read_bytes()
    chance = random.Random(2)
    used = [place for place in range(0, len(data), 512) if any(data[place : place + 512])]
    for _ in range(25):
        damaged = bytearray(data)
        for _ in range(chance.choice([1, 4, 40])):
            damaged[chance.choice(used) + chance.randrange(512)] = chance.choice([0, 0x2E, 0x2F, 0xFF, 0x30, 0x7F])
        (tmp_path / "bad").write_bytes(damaged)
        _attempt(tmp_path / "bad")


def _attempt(image: Path) -> tuple[dict[str, tuple[object, ...]], str]:
    """What is told of an image, or the error."""
    try:
        with opened(image, Processes(), Events()) as root:
            return told(root), ""
    except DlkmError as error:
        return {}, error.what


def test_a_packed_image_says_what_to_do(tmp_path: Path) -> None:
    subprocess.run(["mke2fs", "-q", "-t", "ext4", str(tmp_path / "image"), "4M"], check=True)
    packed = tmp_path / "image.gz"
    packed.write_bytes(gzip.compress((tmp_path / "image").read_bytes()))
    with pytest.raises(MalformedError, match="is a packed image") as caught, opened(packed, Processes(), Events()):
        pass
    assert caught.value.hint


def test_all_kernels_of_an_image(kernel_61: Kernel, tmp_path: Path) -> None:
    """Two releases; the image of one, the modules of both."""
    assert kernel_61.modules is not None
    assert kernel_61.image is not None
    root = tmp_path / "tree"
    for release in (kernel_61.release, "6.1.0-99-amd64"):
        folder = root / "usr/lib/modules" / release / "kernel"
        folder.mkdir(parents=True)
        shutil.copy(kernel_61.modules / "kernel/drivers/net/dummy.ko", folder)
    (root / "lib").symlink_to("usr/lib")
    (root / "boot").mkdir()
    shutil.copy(kernel_61.image, root / "boot" / f"vmlinuz-{kernel_61.release}")
    subprocess.run(FORMS["ext4"], shell=True, check=True, cwd=root)
    with opened(tmp_path / "image", Processes(), Events()) as held:
        kernels = {kernel.release: kernel for kernel in kernels_in(held)}
        assert set(kernels) == {kernel_61.release, "6.1.0-99-amd64"}
        image = kernels[kernel_61.release].image
        assert image is not None
        assert image.read_bytes() == kernel_61.image.read_bytes()
        assert kernels["6.1.0-99-amd64"].image is None
        assert kernels["6.1.0-99-amd64"].vermagic == kernel_61.vermagic
