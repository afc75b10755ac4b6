# SPDX-License-Identifier: GPL-2.0-or-later
"""A minimal Debian root filesystem as users make one: real packages, judged by dpkg; of another architecture, too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")


def _new(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    argv = [str(DLKM), "rootfs", "new", *(str(word) for word in words)]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False, timeout=600)
    assert "Traceback" not in done.stderr
    return done


def _dpkg(root: Path, *words: str) -> str:
    return subprocess.run(["dpkg", f"--root={root}", *words], capture_output=True, text=True, check=True).stdout


def test_dpkg_finds_all_of_it_installed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    done = _new(root, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["rootfs"]["path"]) == ("dlkm.rootfs/1", str(root))
    assert _dpkg(root, "--audit") == ""
    listed = _dpkg(root, "--list").splitlines()[5:]
    assert {line.split()[0] for line in listed} == {"ii"}
    assert {"systemd", "udev", "kmod", "dpkg"} <= {line.split()[1].partition(":")[0] for line in listed}
    changed = [line for line in _dpkg(root, "--verify").splitlines() if "/usr/share/" not in line]
    assert changed == []
    assert os.readlink(root / "sbin") == "usr/sbin"  # noqa: PTH115 — as it is written


def test_another_architecture_with_a_kernel(tmp_path: Path, kernel_61_arm64: Kernel) -> None:
    root = tmp_path / "root"
    done = _new(root, "-k", kernel_61_arm64.id)
    assert done.returncode == 0, done.stderr
    release = kernel_61_arm64.release
    assert (root / f"boot/vmlinuz-{release}").is_file()
    assert f"{root}: Debian bookworm for arm64, {release}\n" == done.stdout
    found = subprocess.run(
        ["modprobe", "-d", root, "-S", release, "--show-depends", "ext4"], capture_output=True, text=True, check=True
    )
    assert f"{root}/lib/modules/{release}/kernel/fs/ext4/ext4.ko" in found.stdout


def test_what_is_there_stays(tmp_path: Path, kernel_61_arm64: Kernel) -> None:
    (tmp_path / "mine").write_text("mine")
    for words in ([tmp_path], [tmp_path / "mine"], [tmp_path / "new", "--arch", "amd64", "-k", kernel_61_arm64.id]):
        assert _new(*words).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_package_that_is_nowhere(tmp_path: Path) -> None:
    done = _new(tmp_path / "new", "--include", "no-such-package")
    assert done.returncode == 5
    assert "no-such-package" in done.stderr
    assert list(tmp_path.iterdir()) == []
