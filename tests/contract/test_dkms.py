# SPDX-License-Identifier: GPL-2.0-or-later
"""What DKMS itself makes of a dkms.conf, we make: the same modules at the same destinations; what it skips we skip.

DKMS runs from its package, unpacked, with trees of its own. `make dkms` compares over all of Debian's packages and the
kernels below; here a part of them is tried, and a conf that uses every word.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from dlkm.source.dkms import CONF, names_in
from tests.conftest import fetched

pytestmark = pytest.mark.contract

DLKM = Path(sys.executable).with_name("dlkm")
ALL = os.environ.get("DLKM_DKMS") == "all"
SOME = ("bbswitch-dkms", "ddcci-dkms", "openafs-modules-dkms")
EXCLUDED = 77  # DKMS's exit status for BUILD_EXCLUSIVE_

CONF_TEXT = """\
name=ever; PACKAGE_NAME="${name}y"
PACKAGE_VERSION=`echo 1.0`
PRE_BUILD="prepare.sh $kernelver  twice"
POST_BUILD=finish.sh
MAKE[0]="false"
MAKE[1]="make -C $kernel_source_dir M=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build modules; : ';'"
MAKE_MATCH[1]="^[5-9]\\."
MAKE[2]=false
MAKE_MATCH[2]="^4"
CLEAN="rm -f nothing"
PATCH[0]=right.patch
PATCH[1]=wrong.patch
PATCH_MATCH[1]="^4\\."
PATCH[2]=later.patch
PATCH_MATCH[2]="-amd64$"
BUILD_EXCLUSIVE_KERNEL="^[5-9]"
BUILD_EXCLUSIVE_ARCH="x86"
BUILD_EXCLUSIVE_CONFIG="CONFIG_MODULES !CONFIG_NOWHERE"
BUILD_DEPENDS[0]="other"
OBSOLETE_BY=99.1
STRIP[0]=no
i=0
for one in first second third; do
    BUILT_MODULE_NAME[$i]="every_$one"
    BUILT_MODULE_LOCATION[$i]="$one"
    DEST_MODULE_LOCATION[$i]="/kernel/drivers/$arch"
    i=$((i + 1))
done
DEST_MODULE_NAME[1]=every-other
STRIP[2]=yes
AUTOINSTALL=yes
"""
SOURCE = """\
#include <linux/module.h>
#include "../told.h"
MODULE_LICENSE("GPL");
MODULE_INFO(told, TOLD);
MODULE_INFO(patched, "no");
MODULE_INFO(later, "no");
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one driver for one kernel: "built", "skipped" or "failed"; what it made, seen from the release."""

    outcome: str
    modules: Mapping[str, Path]
    said: str


@dataclass(frozen=True)
class Peer:
    """DKMS, and Debian's drivers, unpacked in a directory."""

    folder: Path

    @property
    def sources(self) -> Path:
        """/usr/src of the packages."""
        return self.folder / "unpacked/usr/src"

    def drivers(self) -> list[Path]:
        """All that have a dkms.conf."""
        return sorted(path.parent for path in self.sources.glob(f"*/{CONF}"))

    @cached_property
    def lenient(self) -> bool:
        """Whether it builds on after a PRE_BUILD that failed, as it did before 3.1."""
        said = subprocess.check_output(["bash", str(self.folder / "unpacked/usr/sbin/dkms"), "--version"], text=True)
        major, minor = re.findall(r"\d+", said)[:2]
        return (int(major), int(minor)) < (3, 1)

    def build(self, driver: Path, kernel: Kernel, *options: str) -> Outcome:
        """`dkms add`, `build` (with options) and `install` in a tree of its own."""
        name, version = names_in(driver / CONF)
        if not name:  # only bash can tell: the directory has both
            name, _, version = driver.name.rpartition("-")
        tree = self.folder / "trees" / f"{driver.name}@{kernel.id}"
        (tree / "installed" / kernel.release).mkdir(parents=True)
        which = ["-m", name, "-v", version]
        where = ["-k", kernel.release, "-a", kernel.arch.uname, "--kernelsourcedir", str(kernel.headers)]
        where += ["--installtree", str(tree / "installed"), "--no-depmod"]
        added = self._run(tree, kernel, "add", *which)
        assert added.returncode == 0, added.stdout + added.stderr
        built = self._run(tree, kernel, "build", *which, *where, *options)
        if built.returncode != 0:
            outcome = "skipped" if built.returncode == EXCLUDED else "failed"
            return Outcome(outcome, {}, built.stdout + built.stderr)
        done = self._run(tree, kernel, "install", *which, *where)
        assert done.returncode == 0, done.stdout + done.stderr
        top = tree / "installed" / kernel.release
        return Outcome("built", {f"/{path.relative_to(top)}": path for path in top.rglob("*.ko")}, "")

    def _run(self, tree: Path, kernel: Kernel, *words: str) -> "subprocess.CompletedProcess[str]":
        """Where the drivers' sources and the kernel's headers are installed, as far as it can see."""
        headers = f"/usr/lib/modules/{kernel.release}/build"
        seen = ["--dev-bind", "/", "/", "--tmpfs", "/usr/lib/modules", "--symlink", str(kernel.headers), headers]
        seen += ["--bind", str(self.sources), "/usr/src", "--bind", str(tree), "/var/lib/dkms"]
        argv = ["bwrap", *seen, "bash", str(self.folder / "unpacked/usr/sbin/dkms"), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False)


def _run(*words: str) -> str:
    """A command of ours that ends well, or with cells that failed; its standard output."""
    env = environment({"DLKM_CACHE": os.environ["DLKM_CACHE"]})
    done = subprocess.run([str(DLKM), *words], env=env, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def _build(drivers: list[Path], kernels: list[Kernel], output: Path) -> Mapping[str, Any]:
    """The cells of a build, by driver's directory and kernel."""
    words = [word for kernel in kernels for word in ("-k", kernel.id)]
    done = _run("build", "--json", *map(str, drivers), *words, "-o", str(output))
    return {f"{Path(cell['source']).name}@{cell['kernel']}": cell for cell in json.loads(done)["cells"]}


def _installed(cell: Mapping[str, Any]) -> dict[str, Path]:
    """A cell's modules as they are installed: DKMS names a file with what DEST_MODULE_NAME says."""
    return {f"{one['destination']}/{Path(one['path']).name}": Path(one["path"]) for one in cell["modules"]}


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Peer:
    folder = tmp_path_factory.mktemp("dkms")
    debs = folder / "debs"
    debs.mkdir()
    packages: tuple[str, ...] = SOME
    if ALL:
        found = subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True, check=True).stdout.split()
        packages = tuple(name for name in sorted(found) if name.endswith("-dkms") and name != "dh-dkms")
    words = ["apt-get", "-qq", "download", "dkms", *packages]
    subprocess.run(words, cwd=debs, check=True, capture_output=True)
    for deb in debs.iterdir():
        subprocess.run(["dpkg-deb", "-x", str(deb), str(folder / "unpacked")], check=True)
    return Peer(folder)


def _compare(peer: Peer, drivers: list[Path], kernels: list[Kernel]) -> Iterator[str]:
    """What differs, in words."""
    cells = _build(drivers, kernels, peer.folder / "-".join(["out", *(kernel.release for kernel in kernels)]))
    for driver in drivers:
        for kernel in kernels:
            theirs, ours = peer.build(driver, kernel), cells[f"{driver.name}@{kernel.id}"]
            name = f"{driver.name}@{kernel.id}"
            if theirs.outcome == "skipped" and (ours["outcome"], "BUILD_EXCLUSIVE" in ours["reason"]) != (
                "skipped",
                True,
            ):
                yield f"{name}: DKMS skips it, we say {ours['outcome']} {ours['reason']}"
            elif theirs.outcome == "built" and ours["outcome"] != "built":
                yield f"{name}: DKMS builds it, we say {ours['outcome']} {ours['reason']}"
            elif theirs.outcome == "built" and set(_installed(ours)) != set(theirs.modules):
                yield f"{name}: DKMS makes {sorted(theirs.modules)}, we {sorted(_installed(ours))}"
            elif theirs.outcome == "failed" and ours["outcome"] == "skipped":
                yield f"{name}: DKMS tries it, we skip it: {ours['reason']}"


@pytest.mark.skipif(not ALL, reason="half an hour: make dkms")
@pytest.mark.parametrize("which", ["6.12", "cloud", "6.1", "rt"])
def test_all_of_debians_packages(which: str, peer: Peer, request: pytest.FixtureRequest) -> None:
    fixture = {"6.12": "kernel_612", "rt": "kernel_61_rt"}.get(which, "kernel_61")
    kernel: Kernel = request.getfixturevalue(fixture)
    if which == "cloud":
        kernel = fetched(f"debian:{kernel.release.removesuffix('-amd64')}-cloud-amd64")
    assert list(_compare(peer, peer.drivers(), [kernel])) == []


def test_some_of_debians_packages(peer: Peer, kernel_61_rt: Kernel) -> None:
    """One that is built in two directories, one that is not for this kernel, one by a script of its own."""
    drivers = [path for path in peer.drivers() if path.name.startswith(("bbswitch", "ddcci", "openafs"))]
    assert len(drivers) == 3
    assert list(_compare(peer, drivers, [kernel_61_rt])) == []


def test_every_word_of_a_conf(peer: Peer, kernel_61: Kernel) -> None:
    driver = peer.sources / "every-1.0"
    for number, name in enumerate(("first", "second", "third")):
        (driver / name).mkdir(parents=True)
        (driver / name / f"every_{name}.c").write_text(f"{SOURCE}int number = {number};\n")
    (driver / "Kbuild").write_text("obj-m := first/ second/ third/\nccflags-y += -g\n")
    for name in ("first", "second", "third"):
        (driver / name / "Kbuild").write_text(f"obj-m := every_{name}.o\nccflags-y += -g\n")
    (driver / CONF).write_text(CONF_TEXT)
    _script(driver / "prepare.sh", f'echo "#define TOLD \\"$*\\"" >told.h\nexit {3 if peer.lenient else 0}\n')
    _script(driver / "finish.sh", "touch finished\n")
    (driver / "patches").mkdir()
    for name, word in (("right", "patched"), ("later", "later"), ("wrong", "nothing")):
        (driver / "patches" / f"{name}.patch").write_text(_patch(word))
    # DKMS 3.2 builds without what BUILD_DEPENDS names only when it is forced to, earlier ones and dlkm do anyway.
    theirs = peer.build(driver, kernel_61, "--force")
    cell = _build([driver], [kernel_61], peer.folder / "every")[f"every-1.0@{kernel_61.id}"]
    ours = _installed(cell)
    assert (theirs.outcome, cell["outcome"]) == ("built", "built"), theirs.said + cell["reason"]
    assert set(ours) == set(theirs.modules)
    assert {place: _seen(path) for place, path in ours.items()} == {
        place: _seen(path) for place, path in theirs.modules.items()
    }
    first = _seen(ours["/updates/dkms/every_first.ko"])
    assert (first["told"], first["patched"], first["later"]) == (f"{kernel_61.release} twice", "yes", "yes")
    assert [_seen(ours[place])["debug"] for place in sorted(ours)] == ["yes", "yes", ""]
    project = peer.folder / "project"
    _run("import", "dkms", str(driver), "-k", kernel_61.id, "-o", str(project))
    recipe = _build([project / "every_1.0.bb"], [kernel_61], peer.folder / "recipe")[f"every_1.0.bb@{kernel_61.id}"]
    assert {Path(one["path"]).name: _told(Path(one["path"])) for one in recipe["modules"]} == {
        Path(place).name: _told(path) for place, path in theirs.modules.items()
    }


def test_a_module_that_make_does_not_make(peer: Peer, kernel_61: Kernel) -> None:
    """The driver fails, by name, and nothing comes after it: POST_BUILD would leave its mark in the log."""
    driver = peer.sources / "partly-1.0"
    driver.mkdir(parents=True)
    (driver / "made.c").write_text('#include <linux/module.h>\nMODULE_LICENSE("GPL");\n')
    (driver / "Kbuild").write_text("obj-m := made.o\n")
    _script(driver / "after.sh", "echo was run\n")
    lines = ["PACKAGE_NAME=partly", "PACKAGE_VERSION=1.0", "BUILT_MODULE_NAME[0]=made", "BUILT_MODULE_NAME[1]=unmade"]
    lines += [f"DEST_MODULE_LOCATION[{number}]=/updates" for number in (0, 1)]
    (driver / CONF).write_text("\n".join([*lines, "POST_BUILD=after.sh", ""]))
    theirs = peer.build(driver, kernel_61)
    cell = _build([driver], [kernel_61], peer.folder / "partly")[f"partly-1.0@{kernel_61.id}"]
    assert (theirs.outcome, cell["outcome"]) == ("failed", "failed")
    assert "unmade.ko" in theirs.said
    assert cell["reason"] == "make succeeded, but dkms.conf's BUILT_MODULE_NAME is not there: unmade.ko"
    assert "was run" not in theirs.said + Path(cell["log"]).read_text()


def test_an_imported_recipe_skips_what_dkms_skips(peer: Peer, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    driver = peer.sources / "picky-1.0"
    driver.mkdir(parents=True)
    (driver / "picky.c").write_text('#include <linux/module.h>\nMODULE_LICENSE("GPL");\n')
    (driver / "Kbuild").write_text("obj-m := picky.o\n")
    lines = ("PACKAGE_NAME=picky", "PACKAGE_VERSION=1.0", "BUILT_MODULE_NAME=picky", "DEST_MODULE_LOCATION=/updates")
    excluded = ("BUILD_EXCLUSIVE_KERNEL='-rt-amd64$'", "BUILD_EXCLUSIVE_CONFIG='CONFIG_MODULES !CONFIG_NOWHERE'")
    (driver / CONF).write_text("\n".join([*lines, *excluded, ""]))
    kernels = [kernel_61, kernel_61_rt]
    project = peer.folder / "picky"
    _run("import", "dkms", str(driver), *(word for one in kernels for word in ("-k", one.id)), "-o", str(project))
    cells = _build([project / "picky_1.0.bb"], kernels, peer.folder / "picky-out")
    ours = {kernel.id: cells[f"picky_1.0.bb@{kernel.id}"] for kernel in kernels}
    assert {name: cell["outcome"] for name, cell in ours.items()} == {
        kernel.id: peer.build(driver, kernel).outcome for kernel in kernels
    }
    assert ours[kernel_61.id]["reason"].startswith("BUILD_EXCLUSIVE_KERNEL does not match")


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def _patch(word: str) -> str:
    lines = (f'-MODULE_INFO({word}, "no");', f'+MODULE_INFO({word}, "yes");')
    number = next((at for at, line in enumerate(SOURCE.splitlines(), 1) if f"({word}," in line), 99)
    place = f"@@ -{number} +{number} @@"
    return "\n".join(["--- a/first/every_first.c", "+++ b/first/every_first.c", place, *lines, ""])


def _seen(path: Path) -> dict[str, str]:
    """What the module says of itself, and whether it has debug information."""
    sections = subprocess.run(["readelf", "-SW", str(path)], capture_output=True, text=True, check=True).stdout
    values = {"debug": "yes" if re.search(r"\.debug_info", sections) else ""}
    for word in ("told", "patched", "later", "vermagic", "name"):
        shown = subprocess.run(["modinfo", "-F", word, str(path)], capture_output=True, text=True, check=True)
        values[word] = shown.stdout.strip()
    return values


def _told(path: Path) -> dict[str, str]:
    """The same without what a package of Yocto's takes out."""
    return {word: value for word, value in _seen(path).items() if word != "debug"}
