# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm prove --rootfs as users run it: a Debian root filesystem with systemd, one with BusyBox, and broken ones."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dlkm.build.job import build
from dlkm.build.options import BuildOptions
from dlkm.core.events import Events
from dlkm.core.processes import Processes, environment
from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.prove.order import load_order
from dlkm.source.driver import find
from tests.conftest import debian_root
from tests.unit.rootfs.support import put

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "tests" / "drivers"
DLKM = Path(sys.executable).with_name("dlkm")
Done = subprocess.CompletedProcess[str]
Result = Mapping[str, Any]


def _dlkm(*words: object, status: int = 0) -> Done:
    argv = [str(DLKM), *(str(word) for word in words)]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False, timeout=900)
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    return done


def _built(driver: Path, kernel: Kernel, folder: Path) -> list[Path]:
    cell = build(find(driver), kernel, BuildOptions(), folder, runner=Processes(), events=Events())
    return [module.path for module in cell.modules]


def _state(root: Path) -> dict[str, tuple[int, ...]]:
    """All that changes when somebody writes there."""
    found: dict[str, tuple[int, ...]] = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            status = os.lstat(Path(folder) / name)
            found[f"{folder}/{name}"] = (status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns)
    return found


def _of(document: Mapping[str, Any], module: str, asking: str = "boot") -> list[Result]:
    return [one for one in document["results"] if (one["module"], one["asking"]) == (module, asking)]


def _outcomes(results: Sequence[Result]) -> set[tuple[str, str, bool, bool]]:
    return {(one["predicted"]["outcome"], one["observed"]["outcome"], one["agree"], one["as_meant"]) for one in results}


@pytest.fixture(scope="module")
def document(kernel_61: Kernel, kernel_61_rt: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One root filesystem with everything that may happen to a module in it, booted twice."""
    folder = tmp_path_factory.mktemp("debian")
    root = debian_root(folder / "root", kernel_61)
    drivers = {"a": DRIVERS / "rooted", "b": ROOT / "examples/hello"}
    ours = [module for name, driver in drivers.items() for module in _built(driver, kernel_61, folder / name)]
    foreign = _built(DRIVERS / "kver", kernel_61_rt, folder / "c")
    names = ("hello", "gadget", "dummy", "loop", "nonsense")
    options = "gadget count=0x10 label=one loud=1 sizes=1,2,3 hidden=4"
    _dlkm(
        *("stage", *ours, "--rootfs", root, "--options", options, "--options", "hello whom=you"),
        *(word for name in names for word in ("--autoload", name)),
        *("--blacklist", "loop", "--blacklist", "edu_stub"),
    )
    _dlkm("stage", *foreign, "-k", kernel_61.id, "--force", "--autoload", "kver", "--rootfs", root)
    rule = 'KERNEL=="gadget0", SUBSYSTEM=="misc", MODE="0640", GROUP="video", SYMLINK+="our-gadget"\n'
    put(root, {"etc/udev/rules.d/90-gadget.rules": rule})
    before = _state(root)
    done = _dlkm("prove", "--rootfs", root, "--device", "edu", "--module", "edu_ours", "--json", status=1)
    assert _state(root) == before, "the user's directory is never changed"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_was_booted_twice_and_all_is_as_foretold(document: dict[str, Any], kernel_61: Kernel) -> None:
    assert document["schema"] == "dlkm.prove/1"
    assert [boot["kernel"] for boot in document["boots"]] == [kernel_61.release] * 2
    assert [one["module"] for one in document["results"] if not one["agree"]] == []
    assert {one["boot"] for one in document["results"]} == {1, 2}


@pytest.mark.parametrize("module", ["hello", "gadget", "dummy"])
def test_what_is_to_load_loads_in_every_boot(document: dict[str, Any], module: str, kernel_61: Kernel) -> None:
    results = _of(document, module)
    assert len(results) == 2
    assert _outcomes(results) == {("loads", "loads", True, True)}
    file = f"usr/lib/modules/{kernel_61.release}/updates/{module}.ko"
    assert [(one["predicted"]["file"], one["observed"]["files"]) for one in results] == [(file, [file])] * 2


def test_the_kernel_s_own_twin_stayed_out(document: dict[str, Any], kernel_61: Kernel) -> None:
    assert kernel_61.modules is not None
    assert Installed(kernel_61.modules).find("dummy") is not None
    assert {one["observed"]["taint"] for one in _of(document, "dummy")} == {"OE"}  # out of tree, unsigned


def test_options_took_effect(document: dict[str, Any]) -> None:
    for one in _of(document, "gadget"):
        shown = one["observed"]["parameters"]
        assert shown == {"count": "16", "label": "one", "loud": "Y", "sizes": "1,2,3"}
    assert _of(document, "hello")[0]["observed"]["parameters"] == {"whom": "you"}


def test_the_udev_rule_was_applied_to_the_device_it_made(document: dict[str, Any]) -> None:
    for one in _of(document, "gadget"):
        (device,) = one["observed"]["devices"]
        assert (device["name"], device["subsystem"], device["agree"]) == ("gadget0", "misc", True)
        assert device["observed"] == {"mode": "0640", "owner": "0", "group": "44", "links": "our-gadget"}
        assert device["predicted"] == {"mode": "0640", "group": "44", "links": "our-gadget"}
        assert device["rules"] == ["etc/udev/rules.d/90-gadget.rules:1"]


def test_of_two_drivers_for_a_device_the_blacklisted_one_stayed_out(document: dict[str, Any]) -> None:
    assert _outcomes(_of(document, "edu_stub")) == {("stays-out", "stays-out", True, True)}
    assert _outcomes(_of(document, "edu_stub", "alias")) == {("stays-out", "stays-out", True, True)}
    assert _outcomes(_of(document, "edu_stub", "name")) == {("loads", "loads", True, True)}  # only aliases are kept out
    assert _outcomes(_of(document, "edu_ours")) == {("cannot-tell", "loads", True, True)}


def test_what_does_not_load_fails_as_foretold(document: dict[str, Any]) -> None:
    refused = "kver: disagrees about version of symbol module_layout"
    for one in _of(document, "kver"):
        assert (one["observed"]["outcome"], one["observed"]["errno"]) == ("fails", "ENOEXEC")
        assert one["observed"]["log"] == one["predicted"]["log"] == [refused]
    assert _outcomes(_of(document, "nonsense")) == {("fails", "fails", True, False)}
    assert _outcomes(_of(document, "loop")) == {("stays-out", "stays-out", True, False)}
    assert "etc/modprobe.d/loop.conf:1" in _of(document, "loop")[0]["predicted"]["why"]


@pytest.fixture(scope="module")
def busybox(kernel_61: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of BusyBox alone, whose init script loads what /etc/modules names."""
    root = tmp_path_factory.mktemp("busybox") / "root"
    script = (
        "#!/bin/sh\nmount -t proc proc /proc\nmount -t sysfs sys /sys\nmount -t devtmpfs dev /dev\n"
        'while read -r name; do modprobe "$name"; done < /etc/modules\n'
    )
    put(
        root,
        {
            "etc/inittab": "::sysinit:/etc/init.d/rcS\n::respawn:/bin/sleep 1000\n",
            "etc/init.d/rcS": script,
            "etc/modules": "hello\n",
            "etc/modprobe.d/hello.conf": "options hello whom=busybox\n",
            "sbin/init": "->/bin/busybox",
            "sbin/reboot": "->/bin/busybox",
        },
    )
    (root / "etc/init.d/rcS").chmod(0o755)
    (root / "bin").mkdir()
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in ("sh", "mount", "modprobe", "rmmod", "sleep"):
        (root / "bin" / name).symlink_to("busybox")
    assert kernel_61.modules is not None
    modules = root / "lib/modules" / kernel_61.release
    for path in load_order(Installed(kernel_61.modules), ["virtio_pci", "virtio_blk", "ext4"]):
        place = modules / path.relative_to(kernel_61.modules)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    hello = _built(ROOT / "examples/hello", kernel_61, root.parent / "b")
    _dlkm("stage", *hello, "--rootfs", root)
    return root


def test_an_image_with_another_init_and_a_kernel_from_elsewhere(
    busybox: Path, kernel_61: Kernel, tmp_path: Path
) -> None:
    """And a module that nothing names, which takes the guest down when its own modprobe is asked for it."""
    root = tmp_path / "root"
    shutil.copytree(busybox, root, symlinks=True)
    misbehave = _built(DRIVERS / "misbehave", kernel_61, tmp_path / "m")
    _dlkm("stage", *misbehave, "--rootfs", root, "--options", "misbehave how=panic")
    image = tmp_path / "root.ext4"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, image, "300M"], check=True)
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    done = _dlkm("prove", "--rootfs", image, "-k", kernel_61.id, "--json", status=1)
    assert hashlib.sha256(image.read_bytes()).hexdigest() == digest
    document = json.loads(done.stdout)
    assert _outcomes(_of(document, "hello")) == {("loads", "loads", True, True)}
    assert [one["places"] for one in _of(document, "hello")] == [["etc/modules:1"]] * 2
    assert _of(document, "hello")[0]["observed"]["parameters"] == {"whom": "busybox"}
    assert _outcomes(_of(document, "misbehave")) == {("cannot-tell", "stays-out", True, True)}
    (asked,) = _of(document, "misbehave", "name")
    assert (asked["agree"], asked["observed"]["trouble"]) == (False, "the kernel panicked: as asked")
    assert Path(asked["observed"]["console"]).is_file()


def test_an_init_that_ends_fails_all(busybox: Path, kernel_61: Kernel, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(busybox, root, symlinks=True)
    (root / "sbin/init").unlink()
    put(root, {"sbin/init": "#!/bin/sh\nexit 3\n"})
    (root / "sbin/init").chmod(0o755)
    done = _dlkm("prove", "--rootfs", root, "-k", kernel_61.id, "--expect", "agree", "--json", status=1)
    results = json.loads(done.stdout)["results"]
    assert {one["observed"]["trouble"] for one in results} == {
        "the kernel panicked: Attempted to kill init! exitcode=0x00000300"
    }


def test_what_cannot_be_proven_is_refused_before_any_boot(busybox: Path, kernel_612: Kernel, tmp_path: Path) -> None:
    assert "no image to boot" in _dlkm("prove", "--rootfs", busybox, status=2).stderr
    assert "has no modules of" in _dlkm("prove", "--rootfs", busybox, "-k", kernel_612.id, status=2).stderr
    assert "dlkm stage" in _dlkm("prove", busybox / "x.ko", "--rootfs", busybox, status=2).stderr
    assert "has no kernel" in _dlkm("prove", "--rootfs", tmp_path, status=2).stderr
