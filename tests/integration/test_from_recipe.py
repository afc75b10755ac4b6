# SPDX-License-Identifier: GPL-2.0-or-later
"""The mission page's two recipes, from recipe to package to a root filesystem that is booted: do they do as meant?

hello is to load at every boot; KGSL's blacklist is to keep it, and the kernel's own stub of its name, from being loaded
by an alias, while who asks for it by name gets the one from the package, and its udev rule is applied.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.files import cache_home
from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from tests.conftest import debian_root
from tests.layers import prepared

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
Results = Mapping[str, list[Mapping[str, Any]]]  # by module and who asks
RECIPES = ("recipes-mission/hello/hello_1.0.bb", "recipes-mission/kgsl-dlkm/kgsl-dlkm_git.bb")
FORMATS = ("deb", "ipk")


def _dlkm(*words: object, cache: Path | None = None) -> str:
    extra = {} if cache is None else {"XDG_CACHE_HOME": str(cache)}
    argv = [str(DLKM), *(str(word) for word in words)]
    done = subprocess.run(argv, env=environment(extra), capture_output=True, text=True, check=False, timeout=900)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def builds(kernel_61_arm64: Kernel, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What the recipes build for an Arm machine: the second is for no other."""
    folder = tmp_path_factory.mktemp("mission")
    layer, mirror = prepared(folder)
    cache = folder / "cache/dlkm"  # the user's own, but for downloads: those may be of another day's sources
    cache.mkdir(parents=True)
    (cache / "kernels").symlink_to(cache_home() / "kernels")
    words = ("-k", kernel_61_arm64.id, "--source-mirror", mirror, "--offline", "-o", folder / "out")
    _dlkm("build", *(layer / recipe for recipe in RECIPES), *words, cache=cache.parent)
    return sorted((folder / "out").iterdir())


@pytest.fixture(scope="module")
def packages(builds: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Path]]:
    """What is made of the builds, by format."""
    folder = tmp_path_factory.mktemp("packages")
    words = (word for name in FORMATS for word in ("--format", name))
    _dlkm("package", *builds, *words, "-o", folder)
    return {name: sorted(folder.glob(f"*.{name}")) for name in FORMATS}


@pytest.fixture(scope="module")
def root(builds: list[Path], kernel_61_arm64: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose kernel has a stub of the driver, and whose depmod.d says which of the two is meant."""
    root = debian_root(tmp_path_factory.mktemp("debian") / "root", kernel_61_arm64)
    (stub,) = (path for build in builds for path in build.glob("hello.ko"))
    place = root / "lib/modules" / kernel_61_arm64.release / "kernel/drivers/gpu"
    shutil.copy(stub, place / "msm_kgsl.ko")
    (root / "etc/depmod.d").mkdir(exist_ok=True)
    (root / "etc/depmod.d/extra.conf").write_text("search extra built-in\n")
    return root


@pytest.fixture(scope="module")
def results(packages: Mapping[str, list[Path]], root: Path) -> Results:
    """All answers of two boots with the packages of one format; another test holds the other to bring the same."""
    _dlkm("stage", *packages["ipk"], "--rootfs", root)
    document = json.loads(_dlkm("prove", "--rootfs", root, "--json"))
    assert all(one["agree"] for one in document["results"])
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in document["results"]:
        found.setdefault(f"{one['module']} {one['asking']}", []).append(one)
    return found


def test_packages_of_either_format_bring_the_same(packages: Mapping[str, list[Path]], root: Path) -> None:
    brought = {}
    for name in FORMATS:
        document = json.loads(_dlkm("stage", *packages[name], "--rootfs", root, "--dry-run", "--json"))
        writes = {one["path"]: one["sha256"] for one in document["operations"] if one["action"] == "write"}
        beside = ("usr/share/doc/", "usr/include/")  # Debian's papers, Yocto's -dev packages
        brought[name] = {path: digest for path, digest in writes.items() if not path.startswith(beside)}
    assert brought["deb"] == brought["ipk"]
    ours = {"hello.conf", "msm_kgsl.conf", "kgsl.rules", "hello.ko", "msm_kgsl.ko"}
    assert ours <= {Path(path).name for path in brought["deb"]}


def test_hello_loads_at_every_boot(results: Results) -> None:
    first, second = results["hello boot"]
    for one in (first, second):
        assert (one["wish"], one["observed"]["outcome"]) == ("autoload", "loads")
        assert one["places"][0].endswith("modules-load.d/hello.conf:1")
        assert one["observed"]["files"] == [one["predicted"]["file"]]


def test_the_blacklist_keeps_kgsl_out(results: Results) -> None:
    for one in (*results["msm_kgsl boot"], *results["msm_kgsl alias"]):
        assert (one["wish"], one["observed"]["outcome"]) == ("blacklist", "stays-out")
        assert one["places"][0].endswith("modprobe.d/msm_kgsl.conf:1")
    assert len(results["msm_kgsl boot"]) == 2


def test_who_asks_for_it_by_name_gets_the_package_s_and_its_udev_rule(results: Results) -> None:
    (one,) = results["msm_kgsl name"]
    (file,) = one["observed"]["files"]
    assert "/kernel/" not in file.partition("/modules/")[2]
    (device,) = one["observed"]["devices"]
    assert (device["name"], device["observed"]["mode"], device["predicted"]["mode"]) == ("kgsl-3d0", "0666", "0666")
    assert device["rules"][0].endswith("udev/rules.d/kgsl.rules:1")
