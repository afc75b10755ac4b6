# SPDX-License-Identifier: GPL-2.0-or-later
"""A staged root against kmod: the files are those that depmod itself writes there, modprobe finds what it should."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.core.events import Events
from dlkm.core.processes import Processes, environment
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module, read_module
from dlkm.rootfs.apply import apply
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import DirectoryRoot
from dlkm.rootfs.stage import Given, Staging, stage
from tests.unit.rootfs.support import NOTHING, RELEASE, put, tiny

pytestmark = pytest.mark.contract

TWIN = "dummy"  # an in-tree driver that depends on nothing


def _staged(root: Path, release: str, *modules: Module) -> Staging:
    with DirectoryRoot(root) as opened:
        given = [Given(module=module, release=release) for module in modules]
        staging = stage(opened, given, NOTHING, runner=Processes(), events=Events())
        apply(staging.plan, opened, Records(root))
        return staging


def _kmod(*argv: str | Path) -> str:
    done = subprocess.run([str(word) for word in argv], env=environment(), capture_output=True, text=True, check=True)
    return done.stdout


def _shown(root: Path, release: str, name: str) -> list[str]:
    """The files that modprobe would insert, relative to the root."""
    lines = _kmod("modprobe", "-C", "/dev/null", "-d", root, "-S", release, "--show-depends", name).splitlines()
    return [line.split()[1].removeprefix(f"{root}/") for line in lines if line.startswith("insmod")]


def _depmod_files(root: Path, release: str) -> dict[str, bytes]:
    folder = root / "lib/modules" / release
    return {path.name: path.read_bytes() for path in folder.glob("modules.*")}


def _linked(modules: Path, into: Path) -> None:
    """A kernel's modules directory a second time, without its bytes where the file system can do that."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    shutil.copytree(modules, into, copy_function=link, symlinks=True)
    for name in _GENERATED:
        (into / name).unlink(missing_ok=True)


_GENERATED = [f"modules.{name}" for name in (
    "alias", "alias.bin", "builtin.alias.bin", "builtin.bin", "dep", "dep.bin", "devname", "softdep", "symbols",
    "symbols.bin", "weakdep")]  # fmt: skip


@pytest.fixture(scope="module")
def whole(kernel_61: Kernel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A root with a whole Debian kernel and an updated copy of one of its drivers, staged by us."""
    assert kernel_61.modules is not None
    root = tmp_path_factory.mktemp("whole")
    (root / "usr/lib/modules").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    _linked(kernel_61.modules, root / "usr/lib/modules" / kernel_61.release)
    (source,) = kernel_61.modules.rglob(f"{TWIN}.ko*")
    copy = shutil.copy(source, root.parent / source.name)
    staging = _staged(root, kernel_61.release, read_module(Path(copy)))
    assert staging.warnings == ()
    return root, kernel_61.release


def test_the_files_are_depmods_own(whole: tuple[Path, str]) -> None:
    root, release = whole
    ours = _depmod_files(root, release)
    _kmod("depmod", "-b", root, release)
    theirs = _depmod_files(root, release)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert {"modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin"} <= set(ours)


def test_the_update_wins_over_the_in_tree_twin(whole: tuple[Path, str]) -> None:
    root, release = whole
    in_tree = list((root / "lib/modules" / release / "kernel").rglob(f"{TWIN}.ko*"))
    assert len(in_tree) == 1
    (shown,) = _shown(root, release, TWIN)
    assert shown.startswith(f"lib/modules/{release}/updates/{TWIN}.ko")


def test_nothing_of_the_kernel_is_lost(whole: tuple[Path, str]) -> None:
    root, release = whole
    folder = root / "lib/modules" / release
    listed = {line.partition(":")[0] for line in (folder / "modules.dep").read_text().splitlines()}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.ko*")}
    (twin,) = there - listed
    assert twin.startswith("kernel/")
    assert twin.rpartition("/")[2].startswith(f"{TWIN}.ko")


def test_what_wins_is_what_modprobe_loads(tmp_path: Path) -> None:
    """Whatever the target's depmod.d says."""
    base = f"lib/modules/{RELEASE}"
    root = tmp_path / "root"
    put(root, {"etc/depmod.d/mine.conf": "search extra updates built-in\n"})
    for folder in ("extra", "kernel"):
        tiny(root / base / folder)
    (staged,) = _staged(root, RELEASE, tiny(tmp_path)).modules
    # modprobe reads the indexes; depmod on its own would read this machine's depmod.d and not the root's.
    assert _shown(root, RELEASE, "hello") == [staged.wins] == [f"{base}/extra/hello.ko"]


def test_modules_that_need_each_other(tmp_path: Path) -> None:
    needed = tiny(tmp_path, "math_lib", file_name="math-lib.ko", exports=["add"])
    user = tiny(tmp_path, "user", depends="math_lib", undefined=["add"])
    assert _staged(_made(tmp_path / "root"), RELEASE, user, needed).warnings == ()
    base = f"lib/modules/{RELEASE}/updates"
    assert _shown(tmp_path / "root", RELEASE, "user") == [f"{base}/math-lib.ko", f"{base}/user.ko"]


@pytest.mark.parametrize("suffix", ["xz", "zst"])
def test_compressed_modules(tmp_path: Path, suffix: str) -> None:
    plain = tiny(tmp_path)
    program = {"xz": ["xz", "--check=crc32"], "zst": ["zstd", "-q"]}[suffix]
    subprocess.run([*program, "-k", str(plain.path)], check=True)
    (staged,) = _staged(_made(tmp_path / "root"), RELEASE, read_module(tmp_path / f"hello.ko.{suffix}")).modules
    assert _shown(tmp_path / "root", RELEASE, "hello") == [staged.path]
    assert staged.path.endswith(f"hello.ko.{suffix}")


def test_a_built_in_module_is_never_loaded_from_a_file(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root, {f"lib/modules/{RELEASE}/modules.builtin": "kernel/drivers/hello.ko\n",
               f"lib/modules/{RELEASE}/modules.order": ""})  # fmt: skip
    staging = _staged(root, RELEASE, tiny(tmp_path), tiny(tmp_path, "other"))
    assert [(module.name, module.wins is None) for module in staging.modules] == [("hello", True), ("other", False)]
    said = [_kmod("modprobe", "-C", "/dev/null", "-d", root, "-S", RELEASE, "-nv", name) for name in ("hello", "other")]
    assert [text.startswith("insmod ") for text in said] == [False, True]


def test_cycles_are_depmods_to_refuse(tmp_path: Path) -> None:
    one = tiny(tmp_path, "one", undefined=["b"], exports=["a"])
    two = tiny(tmp_path, "two", undefined=["a"], exports=["b"])
    root = _made(tmp_path / "root")
    with pytest.raises(MalformedError, match="cycle"):
        _staged(root, RELEASE, one, two)
    assert list(root.iterdir()) == []


def _made(root: Path) -> Path:
    root.mkdir()
    return root
