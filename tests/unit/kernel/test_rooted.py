# SPDX-License-Identifier: GPL-2.0-or-later
"""What is found of a kernel in a root filesystem, and where."""

from pathlib import Path

import pytest

from dlkm.kernel.rooted import modules_of, rootfs_kernels
from tests.unit.ko.elf_builder import tiny_module

RELEASE = "6.1.0-56-amd64"
ROW = "0x92997ed8\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n"


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """The modules directory of a root with one module."""
    folder = tmp_path / "lib/modules" / RELEASE
    (folder / "kernel").mkdir(parents=True)
    (folder / "kernel/tiny.ko").write_bytes(tiny_module().build())
    return folder


def test_headers_that_are_installed_too_tell_their_exports(modules: Path, tmp_path: Path) -> None:
    headers = tmp_path / "usr/src/headers"
    headers.mkdir(parents=True)
    (headers / "Module.symvers").write_text(ROW)
    (modules / "build").symlink_to("/usr/src/headers")
    (kernel,) = rootfs_kernels(tmp_path)
    assert (kernel.symvers, kernel.headers, kernel.exports) == (headers / "Module.symvers", None, 1)


def test_a_list_of_the_kernels_own_goes_before_that_of_headers(modules: Path, tmp_path: Path) -> None:
    (tmp_path / f"usr/src/linux-headers-{RELEASE}").mkdir(parents=True)
    (tmp_path / f"usr/src/linux-headers-{RELEASE}/Module.symvers").write_text(ROW)
    (kernel,) = rootfs_kernels(tmp_path)
    assert kernel.symvers == tmp_path / f"usr/src/linux-headers-{RELEASE}/Module.symvers"
    (modules / "symvers").write_text(ROW * 1 + ROW.replace("_printk", "printk"))
    (kernel,) = rootfs_kernels(tmp_path)
    assert (kernel.symvers, kernel.exports) == (modules / "symvers", 2)


def test_links_to_headers_hide_no_modules(tmp_path: Path) -> None:
    """A root with both /lib and /usr/lib, one of them with a headers package's links alone."""
    for folder in ("lib/modules/6.1.0", "usr/lib/modules/6.1.0/kernel"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "lib/modules/6.1.0/build").symlink_to("/usr/src/linux-headers-6.1.0")
    assert modules_of(tmp_path, "6.1.0") == tmp_path / "usr/lib/modules/6.1.0"
