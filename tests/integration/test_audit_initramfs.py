# SPDX-License-Identifier: GPL-2.0-or-later
"""An initramfs that Debian's own tools made, beside its root filesystem: right at first, stale after a driver came."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from tests.conftest import debian_root
from tests.unit.rootfs.support import put

pytestmark = pytest.mark.integration

DRIVER = Path(__file__).parents[1] / "drivers" / "rooted"
DLKM = Path(sys.executable).with_name("dlkm")
CONF = "etc/modprobe.d/loop.conf"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program that makes an initramfs: its package, what tells it the modules, its command, what it writes."""

    package: str
    files: dict[str, bytes | str]
    command: str
    writes: str
    anew: str


TOOLS = [
    Tool(
        package="initramfs-tools",
        files={"etc/initramfs-tools/conf.d/x": "MODULES=list\n", "etc/initramfs-tools/modules": "dummy\nloop\n"},
        command="mkinitramfs -o /boot/initrd.img-{R} {R}",
        writes="boot/initrd.img-{R}",
        anew="update-initramfs -u -k {R}",
    ),
    Tool(
        package="dracut",
        files={"etc/dracut.conf.d/x.conf": 'add_drivers+=" dummy loop "\n'},
        command="dracut -q --force --hostonly --early-microcode -m 'base kernel-modules' --drivers 'dummy loop' "
        "--kver {R} /boot/initramfs-{R}.img",
        writes="boot/initramfs-{R}.img",
        anew="dracut --force --kver {R}",
    ),
]


def _make(root: Path, tool: Tool, release: str) -> None:
    """Run the tool where the root is /, with nothing to write to but /boot and places of its own."""
    places = ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var/tmp"]
    sandbox = ["bwrap", "--ro-bind", str(root), "/", "--bind", str(root / "boot"), "/boot", *places, "--unshare-all"]
    words = ["--setenv", "PATH", "/usr/sbin:/usr/bin", "sh", "-c", tool.command.replace("{R}", release)]
    subprocess.run([*sandbox, *words], check=True, env=environment(), capture_output=True)
    assert (root / tool.writes.replace("{R}", release)).is_file()


def _audit(root: Path) -> dict[str, Any]:
    done = subprocess.run([DLKM, "audit", root, "--json"], env=environment(), capture_output=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _grave(root: Path) -> dict[str, dict[str, Any]]:
    return {one["rule"]: one for one in _audit(root)["findings"] if one["severity"] != "note"}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.package)
def test_stale_and_made_anew(tool: Tool, kernel_61: Kernel, tmp_path: Path) -> None:
    release = kernel_61.release
    root = debian_root(tmp_path / "root", kernel_61, include=(tool.package,))
    for name in tool.files:
        (root / name).unlink(missing_ok=True)  # may be one file with the kept root's
    put(root, {**tool.files, CONF: "options loop max_loop=9\n"})
    _make(root, tool, release)
    document = _audit(root)
    (own,) = document["findings"]  # a setter of loop's own takes max_loop (drivers/block/loop.c), and may refuse
    assert (own["rule"], own["severity"], own["path"], own["line"]) == ("untold", "note", CONF, 1)
    assert "'9' for max_loop" in own["message"]
    assert f"dlkm prove --param max_loop=9 -k {release} " in own["hint"]
    assert own["hint"].endswith("/loop.ko")
    assert document["kernels"][0]["initramfs"] == [tool.writes.replace("{R}", release)]

    words: list[str | Path] = ["build", DRIVER, "-k", kernel_61.id, "-o", tmp_path / "out"]
    subprocess.run([DLKM, *words], env=environment(), check=True, capture_output=True)
    (twin,) = (tmp_path / "out").rglob("dummy.ko")
    subprocess.run([DLKM, "stage", twin, "--rootfs", root], env=environment(), check=True, capture_output=True)
    (root / CONF).write_text("options loop max_loop=8\n")
    found = _grave(root)
    # systemd's own modprobe.d gives a parameter to the kernel's dummy, which its twin has not.
    assert found.keys() == {"initramfs-lacks-winner", "initramfs-conf-differs", "options-unknown"}
    stale = found["initramfs-lacks-winner"]
    assert (stale["severity"], stale["module"]) == ("error", "dummy")
    assert "updates/dummy.ko, which wins" in stale["message"]
    assert tool.anew.replace("{R}", release) in stale["hint"]

    _make(root, tool, release)
    assert _grave(root).keys() == {"options-unknown"}
