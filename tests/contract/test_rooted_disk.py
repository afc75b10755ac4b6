# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk that is made of a root filesystem directory, read back by debugfs and judged by e2fsck."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.prove.rooted.disk import disk_image
from tests.unit.rootfs.support import put, snapshot

pytestmark = pytest.mark.contract

SOMEBODY = 4242
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    put(
        made,
        {"etc/conf": "x" * 10_000, "bin/tool": "tool", "lib/a b": "", 'lib/odd"name': "y", "sbin/init": "->/bin/tool"},
    )
    (made / "bin/tool").chmod(0o4755)
    os.link(made / "etc/conf", made / "etc/again")
    (made / "home").mkdir()
    return made


def _image(root: Path, folder: Path) -> Path:
    folder.mkdir()
    return disk_image(root, folder, Processes(), Events())


def _stat(image: Path, path: str) -> tuple[str, int, int]:
    """Mode, owner, group."""
    done = subprocess.run(["debugfs", "-R", f'stat "{path}"', image], capture_output=True, text=True, check=True)
    mode, user, group = (re.findall(rf"{word}:\s+(\d+)", done.stdout)[0] for word in ("Mode", "User", "Group"))
    return mode, int(user), int(group)


def test_it_holds_all_of_the_directory_and_leaves_that_alone(root: Path, tmp_path: Path) -> None:
    before = snapshot(root)
    image = _image(root, tmp_path / "disk")
    assert snapshot(root) == before
    subprocess.run(["e2fsck", "-f", "-n", image], capture_output=True, check=True)
    (tmp_path / "out").mkdir()
    subprocess.run(["debugfs", "-R", f"rdump / {tmp_path}/out", image], capture_output=True, check=True)
    found = {name: what for name, what in snapshot(tmp_path / "out").items() if not name.startswith("lost+found")}
    (made,) = (what for name, what in found.items() if name == "bin/tool")
    found["bin/tool"] = (made[0], 0o4755, made[2])  # debugfs lets go of set-user-id
    assert found == before
    assert _stat(image, "/bin/tool")[0] == "04755"
    assert image.stat().st_blocks * 512 < image.stat().st_size / 4  # sparse


@needs_root
def test_who_owns_the_directory_is_the_guest_s_root(root: Path, tmp_path: Path) -> None:
    """As an ordinary user made it; whom else it belongs to keeps it."""
    for path in [root, *root.rglob("*")]:
        os.lchown(path, SOMEBODY, SOMEBODY + 1)
    os.lchown(root / "home", 1000, 1000)
    image = _image(root, tmp_path / "disk")
    for place in ("/", "/etc", "/etc/conf", "/bin/tool", "/lib/a b", "/sbin/init"):
        assert _stat(image, place)[1:] == (0, 0), place
    assert _stat(image, "/home")[1:] == (1000, 1000)
    subprocess.run(["e2fsck", "-f", "-n", image], capture_output=True, check=True)


def test_an_image_is_taken_as_it_is(root: Path, tmp_path: Path) -> None:
    image = _image(root, tmp_path / "disk")
    assert disk_image(image, tmp_path, Processes(), Events()) == image


def test_a_disk_that_is_full_is_said(root: Path, tmp_path: Path) -> None:
    """Nothing larger than 1 MiB may be written."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path; from dlkm.core.errors import DlkmError; from dlkm.core.events import Events\n"
        "from dlkm.core.processes import Processes; from dlkm.prove.rooted.disk import disk_image\n"
        "try: disk_image(Path(sys.argv[1]), Path(sys.argv[2]), Processes(), Events())\n"
        "except DlkmError as error: print(error.status.name, error.what)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, root, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MISSING_TOOL cannot make a disk of"), done.stdout + done.stderr
