# SPDX-License-Identifier: GPL-2.0-or-later
"""The way to a root filesystem's disk: by what the kernel has, with its drivers in order."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.kernel.installed import Installed
from dlkm.prove.rooted.initramfs import all_disks, disk_for, drivers_of, initramfs
from tests.unit.rootfs.support import tiny


def _installed(folder: Path, *names: str, builtin: tuple[str, ...] = ()) -> Installed:
    for name in names:
        tiny(folder / "kernel", name, depends="mbcache" if name == "ext4" else "")
    folder.mkdir(exist_ok=True)
    (folder / "modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in builtin))
    return Installed(folder)


def test_the_first_way_whose_drivers_are_there(tmp_path: Path) -> None:
    assert disk_for(_installed(tmp_path / "a", "virtio_pci", "virtio_blk", "ext4"), "k").node == "vda"
    assert disk_for(_installed(tmp_path / "b", "nvme", "virtio_blk", builtin=("ext4",)), "k").node == "nvme0n1"
    assert disk_for(_installed(tmp_path / "c", builtin=("ahci", "sd_mod", "ext4")), "k").node == "sda"


def test_a_kernel_without_any_modules_has_all_built_in(tmp_path: Path) -> None:
    assert disk_for(Installed(tmp_path / "nowhere"), "k") == all_disks()[0]


@pytest.mark.parametrize(("names", "lacks"), [(("ext4",), "virtio_pci and virtio_blk or nvme"), (("nvme",), "ext4")])
def test_a_kernel_that_cannot_read_any_disk(tmp_path: Path, names: tuple[str, ...], lacks: str) -> None:
    with pytest.raises(UsageError, match=lacks):
        disk_for(_installed(tmp_path / "m", *names), "k")


def test_the_archive_holds_the_drivers_in_order(tmp_path: Path) -> None:
    installed = _installed(tmp_path / "m", "virtio_pci", "virtio_blk", "ext4", "mbcache")
    disk = all_disks()[0]
    data = initramfs(b"program", drivers_of(installed, disk), disk)
    plan = data[data.index(b"load ") :].split(b"\0")[0].decode().splitlines()
    assert plan[:5] == ["load /virtio_pci.ko", "load /virtio_blk.ko", "load /mbcache.ko", "load /ext4.ko", "disk vda"]
    assert plan[5] == "init /sbin/init"
