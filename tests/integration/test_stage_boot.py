# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel itself unpacks an initramfs that was changed: archives one behind the other, hard links, what is new."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.plan import Content
from dlkm.rootfs.planner import Planner
from dlkm.rootfs.target import target
from tests.unit.rootfs.support import put

pytestmark = pytest.mark.integration

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc; /bin/busybox mount -t proc none /proc
cd /
for f in data/* data/new/* kernel/x86/microcode/*; do
    [ -f "$f" ] && echo "told: $f $(/bin/busybox stat -c %a "$f") $(/bin/busybox head -c 20 "$f")"
done
[ -e data/gone ] || echo "told: gone"
[ data/one -ef data/three ] && echo "told: still links"
echo "told: end"
/bin/busybox poweroff -f
"""
CPIO = "find . | cpio --quiet -o -H newc"


@pytest.mark.parametrize("pack", ["zstd -q", "xz --check=crc32"])
def test_the_kernel_finds_all_that_was_planned(tmp_path: Path, kernel_61: Kernel, pack: str) -> None:
    busybox = shutil.which("busybox")
    assert busybox is not None
    tree = tmp_path / "tree"
    put(tree, {"init": INIT, "bin/busybox": Path(busybox).read_bytes(), "data/one": "linked", "data/old": "old",
               "data/gone": "gone"})  # fmt: skip
    for name in ("two", "three"):
        (tree / "data" / name).hardlink_to(tree / "data/one")
    for path in (tree / "init", tree / "bin/busybox"):
        path.chmod(0o755)
    put(tmp_path / "early", {"kernel/x86/microcode/GenuineIntel.bin": "microcode"})
    image = tmp_path / "initrd.img"
    early = f"(cd ../early; {CPIO}; head -c 100 /dev/zero)"
    subprocess.run(f"({early}; {CPIO} | {pack}) >{image}", shell=True, check=True, cwd=tree)
    with target(image, None, Processes(), Events()) as held:
        planner = Planner(held.root)
        # cpio writes the data of links with the last of them
        planner.write("data/two", Content.of(b"no link", 0o600))
        planner.write("data/old", Content.of(b"replaced"))
        planner.write("data/new/file", Content.of(b"new", 0o755))
        planner.remove(held.root.place("data/gone", follow=False))
        held.carry_out(planner.plan())
    assert sorted(_told(image, kernel_61)) == [
        "data/new/file 755 new",
        "data/old 644 replaced",
        "data/one 644 linked",
        "data/three 644 linked",
        "data/two 600 no link",
        "end",
        "gone",
        "kernel/x86/microcode/GenuineIntel.bin 644 microcode",
        "still links",
    ]


def _told(image: Path, kernel: Kernel) -> list[str]:
    argv = ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-display",
            "none", "-no-reboot", "-serial", "stdio", "-kernel", str(kernel.image), "-initrd", str(image), "-append",
            "console=ttyS0 quiet loglevel=1 panic=-1"]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL)
    lines = (line.strip() for line in done.stdout.splitlines())
    return [line.removeprefix("told: ") for line in lines if line.startswith("told: ")]
