# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels from files: packages that rpmbuild and dpkg-deb made of a real kernel's parts, and root file systems."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
HELLO = Path(__file__).parents[2] / "examples/hello"
R = "6.1.77-200.fc39.x86_64"  # as Fedora names its kernels

SPEC = """
Name: kernel
Version: 6.1.77
Release: 200.fc39
Summary: x
License: GPL-2.0-only
%define debug_package %{{nil}}
%define __os_install_post %{{nil}}
%define _build_id_links none
%define _binary_payload w3.zstdio
AutoReqProv: no
%description
x
%package core
Summary: x
%description core
x
%package devel
Summary: x
%description devel
x
%install
cp -a {root}/. %{{buildroot}}/
%files core
/lib/modules/{release}
%files devel
/usr/src/kernels/{release}
"""


def _dlkm(cache: Path, *words: object) -> tuple[int, str, str]:
    done = subprocess.run(
        [DLKM, *map(str, words)],
        env=environment({"XDG_CACHE_HOME": str(cache)}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


def _kernel(cache: Path, *words: object) -> dict[str, object]:
    status, out, err = _dlkm(cache, "kernel", "add", *words, "--json")
    assert status == 0, err
    (kernel,) = json.loads(out)["kernels"]
    assert isinstance(kernel, dict)
    return kernel


@pytest.fixture(scope="module")
def rpms(kernel_61: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """kernel-core and kernel-devel as Fedora lays them out, with the headers and one module of a real kernel."""
    assert kernel_61.headers is not None
    assert kernel_61.modules is not None
    assert kernel_61.image is not None
    folder = tmp_path_factory.mktemp("rpm")
    devel = folder / "root/usr/src/kernels" / R
    core = folder / "root/lib/modules" / R
    _copy_headers(kernel_61.headers, devel)
    (devel / "include/config/kernel.release").write_text(f"{R}\n")
    (devel / "include/generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{R}"\n')
    (core / "kernel/drivers/net").mkdir(parents=True)
    shutil.copy(kernel_61.modules / "kernel/drivers/net/dummy.ko", core / "kernel/drivers/net")
    shutil.copy(kernel_61.image, core / "vmlinuz")
    shutil.copy(kernel_61.headers / ".config", core / "config")
    (core / "modules.order").write_text("kernel/drivers/net/dummy.ko\n")
    subprocess.run(f"xz -c {devel}/Module.symvers > {core}/symvers.xz", shell=True, check=True)
    (core / "build").symlink_to(f"/usr/src/kernels/{R}")
    (folder / "kernel.spec").write_text(SPEC.format(root=folder / "root", release=R))
    subprocess.run(
        ["rpmbuild", "-bb", "--quiet", f"-D_topdir {folder}/top", "--target", "x86_64", folder / "kernel.spec"],
        check=True,
        capture_output=True,
    )
    return {path.name.split("-6")[0]: path for path in folder.glob("top/RPMS/x86_64/*.rpm")}


def _copy_headers(headers: Path, target: Path) -> None:
    """Debian's two directories and kbuild as the one that Fedora has."""
    common = next(headers.parent.glob("linux-headers-*-common"))
    kbuild = next((headers.parents[1] / "lib").glob("linux-kbuild-*"))
    shutil.copytree(kbuild, target, symlinks=True, ignore=shutil.ignore_patterns("*.pl"))
    for source in (common, headers):
        links = [path.name for path in source.iterdir() if path.is_symlink()]
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*links), dirs_exist_ok=True)
    shutil.copy(common / "Makefile", target / "Makefile")


def test_rpms_make_a_kernel_that_builds_and_judges(rpms: dict[str, Path], tmp_path: Path) -> None:
    kernel = _kernel(tmp_path, rpms["kernel-core"], rpms["kernel-devel"])
    assert (kernel["id"], kernel["arch"]) == (R, "x86_64")
    tree = tmp_path / "dlkm/kernels" / R / "tree"
    assert kernel["headers"] == str(tree / "usr/src/kernels" / R)
    assert kernel["image"] == str(tree / "lib/modules" / R / "vmlinuz")
    assert kernel["exports"] == len((tree / "usr/src/kernels" / R / "Module.symvers").read_text().splitlines())
    status, out, err = _dlkm(tmp_path, "kernel", "lock", *rpms.values(), "-o", tmp_path / "dlkm.lock")
    assert (status, out.count(f": {R} ")) == (0, 1), err
    status, _, err = _dlkm(tmp_path, "build", HELLO, "-k", R, "-o", tmp_path / "out")
    assert status == 0, err
    status, out, err = _dlkm(tmp_path, "check", tmp_path / f"out/hello@{R}/hello.ko", "-k", R, "--json")
    assert (status, json.loads(out)["results"][0]["outcome"]) == (0, "loads"), err


def test_one_rpm_says_what_it_is_good_for(rpms: dict[str, Path], tmp_path: Path) -> None:
    status, _, err = _dlkm(tmp_path, "kernel", "add", rpms["kernel-core"])
    assert status == 0
    assert f"kernel-devel-{R}" in err
    kernel = json.loads(_dlkm(tmp_path, "kernel", "show", R, "--json")[1])["kernel"]
    assert kernel["headers"] is None
    assert kernel["exports"] > 20_000, "symvers.xz of kernel-core tells all exports"


def test_damaged_rpms_are_refused_and_nothing_is_kept(rpms: dict[str, Path], tmp_path: Path) -> None:
    data = rpms["kernel-devel"].read_bytes()
    (tmp_path / "cut.rpm").write_bytes(data[: len(data) // 2])
    assert _dlkm(tmp_path, "kernel", "add", tmp_path / "cut.rpm")[0] == 3
    assert _dlkm(tmp_path, "kernel", "list", "--json")[1].count('"id"') == 0
    assert list((tmp_path / "dlkm/kernels/.scratch").iterdir()) == []


@pytest.mark.parametrize("form", ["ext4", "tar.gz", "cpio"])
def test_root_file_systems_in_a_file(kernel_61: Kernel, tmp_path: Path, form: str) -> None:
    assert kernel_61.tree is not None
    assert kernel_61.modules is not None
    release, root = kernel_61.release, tmp_path / "root"
    modules = root / "usr/lib/modules" / release / "kernel/drivers/net"
    modules.mkdir(parents=True)
    shutil.copy(kernel_61.modules / "kernel/drivers/net/dummy.ko", modules)
    (root / "lib").symlink_to("usr/lib")
    shutil.copytree(kernel_61.tree / "boot", root / "boot")
    (root / "etc").mkdir()
    (root / "etc/shadow").write_text("secret")
    (root / "boot/evil").symlink_to("/etc/passwd")
    image = tmp_path / f"image.{form}"
    commands = {
        "ext4": f"mkfs.ext4 -q -d {root} {image} 64M",
        "tar.gz": f"tar -C {root} -czf {image} .",
        "cpio": f"cd {root} && find . | bsdtar -cf {image} --format newc -nT -",
    }
    subprocess.run(commands[form], shell=True, check=True)
    kernel = _kernel(tmp_path, f"rootfs:{image}")
    assert (kernel["id"], kernel["headers"]) == (release, None)
    assert Path(str(kernel["image"])).read_bytes() == (root / f"boot/vmlinuz-{release}").read_bytes()
    assert kernel["vermagic"] == kernel_61.vermagic
    assert not list((tmp_path / "dlkm").rglob("shadow"))
    status, out, _ = _dlkm(tmp_path, "check", modules / "dummy.ko", "-k", f"rootfs:{image}", "--json")
    assert json.loads(out)["results"][0]["outcome"] == "loads"
    assert status == 0


def test_files_that_hold_no_kernel(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"noise" * 10_000)
    status, _, err = _dlkm(tmp_path, "kernel", "add", f"rootfs:{tmp_path / 'noise'}")
    assert (status, "is no tar archive" in err) == (3, True)
    image = tmp_path / "empty.ext4"
    subprocess.run(["mkfs.ext4", "-q", image, "8M"], check=True)
    status, _, err = _dlkm(tmp_path, "kernel", "add", f"rootfs:{image}")
    assert (status, "no kernel's modules" in err) == (2, True)
