# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm stage as users run it, with kmod's own depmod: hostile roots, full disks, builds, refusals."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from tests.unit.rootfs.support import RELEASE, put, snapshot, tiny

pytestmark = pytest.mark.integration

BASE = f"lib/modules/{RELEASE}"
DLKM = Path(sys.executable).with_name("dlkm")
Done = subprocess.CompletedProcess[str]
HELLO = Path(__file__).parents[2] / "examples" / "hello"


def _dlkm(
    *words: str | Path, cache: Path | None = None, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run it; a cache of its own makes the pool of kernels empty."""
    extra = {} if cache is None else {"XDG_CACHE_HOME": str(cache)}
    argv = [*prefix, str(DLKM), "stage", *(str(word) for word in words)]
    done = subprocess.run(argv, env=environment(extra), capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def module(tmp_path: Path) -> Path:
    return tiny(tmp_path / "given").path


def _links(files: dict[str, str]) -> Callable[[Path], None]:
    return lambda root: put(root, {name: text.replace("OUTSIDE", str(root.parent)) for name, text in files.items()})


def _hard_links(root: Path) -> None:
    put(root, {f"{BASE}/updates/x": "", "etc/modules-load.d/x": "", "etc/modprobe.d/x": ""})
    for name in (f"{BASE}/updates/hello.ko", f"{BASE}/modules.dep", "etc/modprobe.d/hello.conf"):
        os.link(root.parent / "victim", root / name)


def _pipes(root: Path) -> None:
    put(root, {f"{BASE}/kernel/ok.ko": "no module"})
    for name in ("kernel/pipe.ko", "modules.order", "modules.builtin"):
        os.mkfifo(root / BASE / name)


def _conf_pipe(root: Path) -> None:
    put(root, {"etc/modprobe.d/x": ""})
    os.mkfifo(root / "etc/modprobe.d/hello.conf")


ESCAPES = {
    "lib, absolute": _links({"lib": "-> OUTSIDE/dir"}),
    "lib, by ..": _links({"lib": "-> ../dir"}),
    "lib, by many ..": _links({"lib": "-> ../../../../../../../../../../tmp"}),
    "lib, by proc": _links({"lib": "-> /proc/self/root/OUTSIDE/dir"}),
    "lib, dangling": _links({"lib": "-> OUTSIDE/nothing/here"}),
    "modules": _links({"lib/modules": "-> ../../dir"}),
    "release": _links({BASE: "-> OUTSIDE/dir"}),
    "updates": _links({f"{BASE}/updates": "-> ../../../../dir"}),
    "kernel": _links({f"{BASE}/kernel": "-> OUTSIDE/dir"}),
    "module file": _links({f"{BASE}/updates/hello.ko": "-> OUTSIDE/victim"}),
    "another module": _links({f"{BASE}/kernel/evil.ko": "-> OUTSIDE/victim", f"{BASE}/kernel/me.ko": "-> me.ko"}),
    "depmod's files": _links({f"{BASE}/modules.dep": "-> OUTSIDE/victim", f"{BASE}/modules.alias": "-> OUTSIDE/new",
                              f"{BASE}/modules.dep.bin": "-> ../../../../victim"}),
    "depmod's input": _links({f"{BASE}/modules.order": "-> OUTSIDE/victim", f"{BASE}/modules.builtin": "-> /dev/zero"}),
    "depmod's settings": _links({"etc/depmod.d/x.conf": "search /\nexternal * OUTSIDE\n", "lib/depmod.d": "-> /etc"}),
    "etc": _links({"etc": "-> OUTSIDE/dir"}),
    "modules-load.d": _links({"etc/modules-load.d": "-> ../../dir", "etc/modprobe.d": "-> OUTSIDE/dir"}),
    "conf file": _links({"etc/modules-load.d/hello.conf": "-> OUTSIDE/victim",
                         "etc/modprobe.d/hello.conf": "-> ../../../victim"}),
    "conf file, dangling": _links({"etc/modules-load.d/hello.conf": "-> OUTSIDE/new"}),
    "chain": _links({"lib": "-> a/b", "a": "-> /c", "c/b": "-> ../../dir"}),
    "circle": _links({f"{BASE}/kernel/again": "-> ../..", f"{BASE}/updates/again": "-> ."}),
    "hard links": _hard_links,
    "pipes": _pipes,
}  # fmt: skip

REFUSED = {
    "circle of lib": _links({"lib": "-> lib"}),
    "circle of etc": _links({"etc": "-> /run/etc", "run/etc": "-> ../etc"}),
    "lib is a file": _links({"lib": "x"}),
    "updates is a file": _links({f"{BASE}/updates": "x"}),
    "modules-load.d is a file": _links({"etc/modules-load.d": "x"}),
    "conf file is a directory": _links({"etc/modules-load.d/hello.conf/x": "x"}),
    "module file is a directory": _links({f"{BASE}/updates/hello.ko/x": "x"}),
    "conf file is a pipe": _conf_pipe,
}  # fmt: skip


def _surroundings(tmp_path: Path, make: Callable[[Path], None]) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    put(tmp_path, {"victim": "precious", "dir/modules/x": "precious", "dir/precious": "precious"})
    make(root)
    return root


def _outside(root: Path) -> dict[str, tuple[object, ...]]:
    """All that lies beside the root, but for the record of what was done to it."""
    return {path: state for path, state in snapshot(root.parent, but=root).items() if "root.staged" not in path}


def _stage_all(root: Path, module: Path, cache: Path) -> Done:
    return _dlkm(module, "--rootfs", root, "--autoload", "hello", "--options", "hello a=1", "--blacklist", "pcspkr",
                 "--json", cache=cache)  # fmt: skip


@pytest.mark.parametrize("make", ESCAPES.values(), ids=ESCAPES)
def test_nothing_outside_is_changed(tmp_path: Path, module: Path, make: Callable[[Path], None]) -> None:
    root = _surroundings(tmp_path, make)
    before = _outside(root)
    done = _stage_all(root, module, tmp_path / "given")
    assert done.returncode == 0, done.stderr
    assert _outside(root) == before
    document = json.loads(done.stdout)
    (staged,) = document["modules"]
    assert (root / staged["path"]).read_bytes() == module.read_bytes()
    assert staged["wins"] == staged["path"]
    for operation in document["operations"]:
        assert all(not parent.is_symlink() for parent in (root / operation["path"]).parents if root in parent.parents)
    assert json.loads(_stage_all(root, module, tmp_path / "given").stdout)["operations"] == []
    assert _outside(root) == before


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_and_nothing_changed(
    tmp_path: Path, module: Path, make: Callable[[Path], None]
) -> None:
    root = _surroundings(tmp_path, make)
    before = snapshot(tmp_path)
    done = _stage_all(root, module, tmp_path / "given")
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert done.stderr.startswith(f"dlkm: error: {root}/")
    assert snapshot(tmp_path) == before


def test_a_dry_run_shows_all_and_changes_nothing(tmp_path: Path, module: Path) -> None:
    root = _surroundings(tmp_path, lambda _root: None)
    before = snapshot(tmp_path)
    words = (module, "--rootfs", root, "--autoload", "hello", "--json")
    shown = json.loads(_dlkm(*words, "--dry-run", cache=tmp_path / "given").stdout)
    assert snapshot(tmp_path) == before
    done = json.loads(_dlkm(*words, cache=tmp_path / "given").stdout)
    assert (shown["dry_run"], done["dry_run"]) == (True, False)
    assert shown["operations"] == done["operations"]
    digests = {path: state[2] for path, state in snapshot(root).items() if state[0] == "file"}
    assert {item["path"]: item["sha256"] for item in done["operations"] if "sha256" in item} == digests


@pytest.mark.parametrize("room", ["4k", "40k", "80k"])
def test_a_full_disk_leaves_all_as_it_was(tmp_path: Path, room: str) -> None:
    """A small file system of our own, in our own mount namespace."""
    module = tiny(tmp_path / "given").path
    (tmp_path / "given/hello.ko").write_bytes(module.read_bytes() + bytes(64 << 10))
    script = (
        'mount -t tmpfs -o size="$2" none "$1" && mkdir -p "$1/etc" && echo precious >"$1/etc/precious" || exit 99\n'
        '"$3" stage "$4" --rootfs "$1" --autoload hello; echo status $?; cd "$1" && find . -type f; find . -type d'
    )
    root = tmp_path / "root"
    root.mkdir()
    argv = ["unshare", "-rm", "sh", "-c", script, "sh", root, room, DLKM, module]
    env = environment({"XDG_CACHE_HOME": str(tmp_path / "cache")})
    done = subprocess.run([str(word) for word in argv], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["status 4", "./etc/precious", ".", "./etc"]
    assert "No space left on device; nothing was changed" in done.stderr


def test_a_root_that_cannot_be_written(tmp_path: Path, module: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    words = ("bwrap", "--bind", "/", "/", "--dev", "/dev", "--ro-bind", str(root), str(root))
    done = _dlkm(module, "--rootfs", root, cache=tmp_path / "given", prefix=words)
    assert done.returncode == 4
    assert "Read-only file system; nothing was changed" in done.stderr


def test_without_kmod_the_command_is_named(tmp_path: Path, module: Path) -> None:
    """A machine without depmod: what its name leads to is covered by a file that cannot be run."""
    depmod = shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert depmod is not None
    gone = ("bwrap", "--bind", "/", "/", "--dev", "/dev", "--bind", "/dev/null", str(Path(depmod).resolve()))
    root = tmp_path / "root"
    root.mkdir()
    done = _dlkm(module, "--rootfs", root, cache=tmp_path / "given", prefix=gone)
    assert done.returncode == 4
    assert "(apt-get install kmod)" in done.stderr
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((), 2),
        (("--autoload", "../x"), 2),
        (("nowhere.ko",), 2),
        (("--softdep", "hello"), 2),
        (("root",), 2),
        (("text.txt",), 2),
        (("junk.ko",), 3),
        (("empty.ko",), 3),
        (("strange.ko",), 3),
    ],
)
def test_bad_input_is_told(tmp_path: Path, words: tuple[str, ...], status: int) -> None:
    put(tmp_path, {"text.txt": "x", "junk.ko": b"\x7fELF" + bytes(range(256)) * 9, "empty.ko": ""})
    tiny(tmp_path, "strange", release="../../../etc")
    (tmp_path / "root").mkdir()
    given = [tmp_path / word if word == "root" or word.endswith((".ko", ".txt")) else word for word in words]
    done = _dlkm("--rootfs", tmp_path / "root", *given, cache=tmp_path / "cache")
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert done.stderr.startswith("dlkm: error: ")
    assert list((tmp_path / "root").iterdir()) == []


def test_a_source_is_built_and_a_build_is_taken(tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    done = _dlkm(HELLO, "-k", kernel_61.id, "-o", out, "--rootfs", root, "--autoload", "hello", "--json")
    assert done.returncode == 0, done.stderr
    (staged,) = json.loads(done.stdout)["modules"]
    assert staged["path"] == staged["wins"] == f"lib/modules/{kernel_61.release}/updates/hello.ko"
    assert (root / "etc/modules-load.d/hello.conf").read_text() == "hello\n"
    build = out / f"hello@{kernel_61.id}"
    for word in (build, build / "build.json", build / "hello.ko", out):
        assert json.loads(_dlkm(word, "--rootfs", root, "--json").stdout)["operations"] == []
    _refused_on_another_kernel(root, build, kernel_61_rt)


def _refused_on_another_kernel(root: Path, build: Path, other: Kernel) -> None:
    before = snapshot(root)
    done = _dlkm(build, "-k", other.id, "--rootfs", root, "--json")
    assert done.returncode == 1
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["operations"] == []
    (refused,) = document["refused"]
    assert (refused["errno"], refused["log"]) == ("ENOEXEC", ["hello: disagrees about version of symbol module_layout"])
    assert snapshot(root) == before
    forced = _dlkm(build, "-k", other.id, "--rootfs", root, "--force")
    assert forced.returncode == 0
    assert "will not load" in forced.stderr
    assert (root / f"lib/modules/{other.release}/updates/hello.ko").is_file()


def test_a_source_needs_a_kernel(tmp_path: Path) -> None:
    done = _dlkm(HELLO, "--rootfs", tmp_path)
    assert done.returncode == 2
    assert "-k KERNEL" in done.stderr


def test_two_sources_of_one_name_take_the_build_flags(tmp_path: Path, kernel_61: Kernel) -> None:
    """Each is built in its own directory; what --var says reaches make."""
    (tmp_path / "root").mkdir()
    for place in ("x", "y"):
        recipe = "$(WHERE) -C $(KDIR) M=$(PWD) modules"
        makefile = f"ifneq ($(KERNELRELEASE),)\nobj-m := {place}.o\nelse\nall:\n\t{recipe}\nendif\n"
        put(tmp_path / place / "hello", {"Makefile": makefile, f"{place}.c": (HELLO / "hello.c").read_bytes()})
    words = (tmp_path / "x/hello", tmp_path / "y/hello", "-k", kernel_61.id, "-o", tmp_path / "out", "--json")
    done = _dlkm(*words, "--rootfs", tmp_path / "root", "--var", "WHERE=make", "--var", "KDIR=$(KERNEL_SRC)")
    assert done.returncode == 0, done.stderr
    assert [module["name"] for module in json.loads(done.stdout)["modules"]] == ["x", "y"]
    names = {f"{name}-hello@{kernel_61.id}" for name in ("x", "y")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
