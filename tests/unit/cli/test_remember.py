# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kept answer rests on: the modules that were judged, and of the installed ones as much as was read."""

from pathlib import Path

import pytest

from dlkm.cli.remember import _of_kernel
from dlkm.core.arch import arch_named
from dlkm.kernel.kernel import Kernel


@pytest.mark.parametrize("read", [True, False])
def test_installed_modules_are_grounds_where_they_were_read_and_always_which_there_are(
    tmp_path: Path, *, read: bool
) -> None:
    modules = tmp_path / "lib/modules/6.1.0"
    (modules / "kernel/deep/deeper").mkdir(parents=True)
    (modules / "kernel/empty").mkdir()
    (modules / "kernel/deep/deeper/one.ko").write_bytes(b"")
    (modules / "kernel/link").symlink_to(tmp_path)
    kernel = Kernel(
        id="6.1.0", release="6.1.0", arch=arch_named("x86_64"), origin="debian:6.1.0", modules=modules, tree=tmp_path
    )
    grounds = set(_of_kernel(kernel, read=read))
    assert {f"{modules}/{name}" for name in ("kernel", "kernel/deep", "kernel/deep/deeper", "kernel/empty")} <= grounds
    assert (f"{modules}/kernel/deep/deeper/one.ko" in grounds) is read
    assert f"{modules}/modules.builtin" in grounds
    assert f"{modules}/kernel/link/lib" not in grounds
