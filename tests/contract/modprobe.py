# SPDX-License-Identifier: GPL-2.0-or-later
"""kmod's own modprobe on a root filesystem of ours, and a root with a real kernel's modules behind links."""

import subprocess
from pathlib import Path

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel


def link_modules(kernel: Kernel, top: Path) -> Path:
    """Link a kernel's modules and their lists below `top`; gives the modules directory there."""
    assert kernel.modules is not None
    base = top / "lib/modules" / kernel.release
    base.mkdir(parents=True)
    for name in ("kernel", "modules.order", "modules.builtin", "modules.builtin.modinfo"):
        (base / name).symlink_to(kernel.modules / name)
    return base


def modprobe(root: Path, release: str, *words: str, check: bool = False) -> list[str]:
    """What modprobe says, line by line."""
    argv = ["modprobe", "-C", str(root / "etc/modprobe.d"), "-d", str(root), "-S", release, *words]
    return subprocess.run(argv, env=environment(), capture_output=True, text=True, check=check).stdout.splitlines()
