# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels with their full source: Debian's own, proven to be the shipped one; any tree with a configuration."""

import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.errors import FetchError
from dlkm.core.events import Events
from dlkm.core.processes import Processes, environment
from dlkm.kernel.compiler import compiler_for
from dlkm.kernel.debian_source import apply_patches
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.sameness import PROBE, verify
from dlkm.kernel.workbench import Workbench
from dlkm.ko.module import read_module
from tests.conftest import fetched

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
PRIVATE = Path(__file__).parents[1] / "drivers/private"

MAKEFILE = """
VERSION = 6
olddefconfig:
	@echo 'CONFIG_EXTRA=y' >> .config
	@touch /usr/src/evil /root/evil || true
modules_prepare:
	@mkdir -p include/config include/generated scripts/mod && touch scripts/mod/modpost
	@echo $(if $(KERNELRELEASE),$(KERNELRELEASE),6.9.1-mine) > include/config/kernel.release
	@echo '#define UTS_RELEASE "'$$(cat include/config/kernel.release)'"' > include/generated/utsrelease.h
	@! test -e broken
"""
CONFIG = '# Linux/x86 6.9.1 Kernel Configuration\nCONFIG_64BIT=y\nCONFIG_SMP=y\nCONFIG_CC_VERSION_TEXT="gcc 12"\n'


def _dlkm(*words: object, cache: Path | None = None) -> tuple[int, str, str]:
    env = environment({"XDG_CACHE_HOME": str(cache)} if cache is not None else {})
    done = subprocess.run([DLKM, *map(str, words)], env=env, capture_output=True, text=True, check=False, timeout=580)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def full(kernel_61: Kernel) -> Kernel:
    """The full source of the 6.1 kernel, in the user's pool."""
    return fetched(f"source:{kernel_61.release}")


def test_a_driver_that_takes_private_headers_builds_against_the_source_alone(
    full: Kernel, kernel_61: Kernel, tmp_path: Path
) -> None:
    assert _dlkm("build", PRIVATE, "-k", kernel_61.id, "-o", tmp_path)[0] == 1
    status, out, err = _dlkm("build", PRIVATE, "-k", f"source:{kernel_61.release}", "-o", tmp_path, "--json")
    assert status == 0, err
    module = read_module(Path(json.loads(out)["cells"][0]["modules"][0]["path"]))
    assert module.vermagic == kernel_61.vermagic
    assert full.source == full.headers
    assert full.exports == kernel_61.exports


def test_the_source_of_another_kernel_is_noticed(full: Kernel, kernel_612: Kernel, tmp_path: Path) -> None:
    """The comparison itself, with the objects that the preparation has made: against 6.12's image all is different."""
    assert full.source is not None
    (tmp_path / "probe").mkdir()
    bench = Workbench(
        here=full.source,
        place=f"/usr/src/{full.source.name}",
        arch=full.arch,
        compiler=compiler_for(full.config, full.arch, full.id, Processes(), Events()),
        runner=Processes(),
        log=tmp_path / "log",
        release=full.release,
        extra=((tmp_path / "probe", PROBE),),
    )
    with pytest.raises(FetchError, match="the source is not that of 6"):
        verify(bench, replace(kernel_612, vermagic=full.vermagic), tmp_path / "probe")


def _packed(path: Path, files: dict[str, str]) -> Path:
    """A .debian.tar.xz of these files."""
    with tarfile.open(path, "w:xz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"debian/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_patches_of_a_flavour_are_applied_in_their_order(kernel_61: Kernel, tmp_path: Path) -> None:
    real_time = replace(kernel_61, release="6.1.0-56-rt-amd64")
    one, two = (f"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-{old}\n+{new}\n" for old, new in (("one", "two"), ("two", "three")))
    files = {"patches-rt/series": "# first\nb.patch\n\na.patch\n", "patches-rt/b.patch": one, "patches-rt/a.patch": two}
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "f").write_text("one\n")
    packed = _packed(tmp_path / "x.debian.tar.xz", files)
    apply_patches(real_time, packed, tree, tmp_path, Processes())
    assert (tree / "f").read_text() == "three\n"
    assert [path.name for path in tree.iterdir()] == ["f"]
    with pytest.raises(FetchError, match=r"cannot apply b\.patch of x\.debian\.tar\.xz"):
        apply_patches(real_time, packed, tree, tmp_path, Processes())
    none = _packed(tmp_path / "y.debian.tar.xz", {"control": ""})
    with pytest.raises(FetchError, match="no patches-rt/series"):
        apply_patches(real_time, none, tree, tmp_path / "y", Processes())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A kernel's source that takes no time."""
    source = tmp_path / "linux"
    for folder in ("scripts", "kernel/module", ".git"):
        (source / folder).mkdir(parents=True)
    (source / "Makefile").write_text(MAKEFILE)
    (source / "Kconfig").write_text("")
    (source / "left.o").write_text("old")
    (tmp_path / "config").write_text(CONFIG)
    return source


def test_a_directory_or_a_tarball_with_a_configuration(tree: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "linux-6.9.1.tar.gz", "w:gz") as tar:
        tar.add(tree, "linux-6.9.1")
    for place in (tree, tmp_path / "linux-6.9.1.tar.gz"):
        cache = tmp_path / f"cache-{place.name}"
        words = ("kernel", "add", f"source:{place}", "--config", tmp_path / "config", "--json")
        status, out, err = _dlkm(*words, cache=cache)
        assert status == 0, err
        (kernel,) = json.loads(out)["kernels"]
        assert (kernel["id"], kernel["arch"], kernel["source"]) == ("6.9.1-mine", "x86_64", kernel["headers"])
        assert kernel["vermagic"].startswith("6.9.1-mine SMP ")
        assert kernel["config"]["EXTRA"] == "y"
        assert "CONFIG_EXTRA" in err, "what the source decides otherwise is said"
        assert "no Module.symvers" in err
        assert "reading the image" not in err, "there is none"
        assert (Path(kernel["source"]) / ".git").exists() == (place != tree), "what version control keeps is not copied"
        assert "preparing" not in _dlkm(*words, cache=cache)[2], "the same again is taken from the pool"
        status, out, err = _dlkm("kernel", "show", f"source:{place}", "--json", cache=cache)
        assert (status, json.loads(out)["kernel"]["id"]) == (0, "6.9.1-mine"), "once made, its word is enough"
    assert not Path("/usr/src/evil").exists()
    assert sorted(path.name for path in tree.iterdir()) == [
        ".git",
        "Kconfig",
        "Makefile",
        "kernel",
        "left.o",
        "scripts",
    ]


def test_release_and_symvers_are_the_users(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "Module.symvers").write_text("0x00000001\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
    more = ("--symvers", tmp_path / "Module.symvers", "--release", "6.9.1-target", "--config", tmp_path / "config")
    status, out, err = _dlkm("kernel", "add", f"source:{tree}", *more, "--json", cache=tmp_path / "cache")
    assert status == 0, err
    (kernel,) = json.loads(out)["kernels"]
    assert (kernel["release"], kernel["exports"]) == ("6.9.1-target", 1)


def test_what_cannot_be_prepared_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    config = ("--config", tmp_path / "config")
    status, _, err = _dlkm("kernel", "add", f"source:{tree}", cache=cache)
    assert (status, "--config FILE" in err) == (2, True)
    (tree / "broken").write_text("")
    assert _dlkm("kernel", "add", f"source:{tree}", *config, cache=cache)[0] == 5
    (tree / "Kconfig").unlink()
    status, _, err = _dlkm("kernel", "add", f"source:{tree}", *config, cache=cache)
    assert (status, "holds no kernel's source" in err) == (3, True)
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        tar.add(tree / "Makefile", "../../outside")
    assert _dlkm("kernel", "add", f"source:{evil}", *config, cache=cache)[0] == 3
    assert json.loads(_dlkm("kernel", "list", "--json", cache=cache)[1])["kernels"] == []
    assert list((cache / "dlkm/kernels/.scratch").iterdir()) == []
    assert os.path.exists("/usr/src/evil") is False  # noqa: PTH110
