# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm stage into directories, images and archives as users run it: all or nothing, whatever happens; and undone."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from tests.integration.test_stage import ESCAPES, REFUSED
from tests.unit.rootfs.support import RELEASE, put, snapshot, tiny

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
CPIO = "find . | cpio --quiet -o -H newc"
MAKERS = {
    "ext4": "mke2fs -q -t ext4 -d . ../image.ext4 24M",
    "tar": "tar -cf ../image.tar .",
    "tar.gz": "tar -czf ../image.tar.gz .",
    "cpio": f"{CPIO} >../image.cpio",
    "initrd": f"(mkdir -p ../early/kernel; cd ../early; {CPIO}; head -c 512 /dev/zero) >../image.initrd; "
    f"{CPIO} | zstd -q >>../image.initrd",
}  # fmt: skip
CONFIGURED = ("--autoload", "hello", "--options", "hello a=1", "--blacklist", "pcspkr")
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def module(tmp_path: Path) -> Path:
    return tiny(tmp_path / "given").path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small root with a merged /usr and a few things that will be replaced."""
    root = tmp_path / "root"
    put(root, {"lib": "-> usr/lib", f"usr/lib/modules/{RELEASE}/kernel/x": "", "etc/modprobe.d/hello.conf": "# old\n",
               f"usr/lib/modules/{RELEASE}/updates/hello.ko.xz": "old", "etc/os-release": "ID=tiny\n"})  # fmt: skip
    return root


def _image(tree: Path, form: str) -> Path:
    """The tree as that form; itself for a directory."""
    if form == "directory":
        return tree
    subprocess.run(MAKERS[form], shell=True, check=True, cwd=tree)
    return tree.parent / f"image.{form}"


def _argv(tmp_path: Path, *words: str | Path) -> tuple[list[str], dict[str, str]]:
    """A cache of its own makes the pool of kernels empty."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    own = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state"),
           "TMPDIR": str(tmp_path / "tmp")}  # fmt: skip
    return [str(DLKM), "stage", *map(str, words)], environment(own)


def _dlkm(tmp_path: Path, *words: str | Path, prefix: tuple[str, ...] = ()) -> Done:
    argv, env = _argv(tmp_path, *words)
    done = subprocess.run([*prefix, *argv], env=env, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _state(target: Path) -> object:
    if target.is_dir():
        return snapshot(target)
    return hashlib.sha256(target.read_bytes()).hexdigest(), target.stat().st_mode


def _left_over(tmp_path: Path) -> list[str]:
    """What should not be there when a run has ended: parts of files, scratch directories."""
    beside = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    return [*beside, *(path.name for path in (tmp_path / "tmp").iterdir())]


@pytest.mark.parametrize("form", ["directory", *MAKERS])
def test_staged_again_and_undone(tmp_path: Path, tree: Path, module: Path, form: str) -> None:
    target = _image(tree, form)
    before = _state(target)
    words = (module, "--rootfs", target, *CONFIGURED, "--json")
    planned = json.loads(_dlkm(tmp_path, *words, "--dry-run").stdout)
    assert (_state(target), planned["record"]) == (before, None)
    done = json.loads(_dlkm(tmp_path, *words).stdout)
    assert done["operations"] == planned["operations"]
    assert done["record"] == f"{target}.staged/0001"
    base = f"usr/lib/modules/{RELEASE}"
    assert {operation["action"] for operation in done["operations"]} == {"mkdir", "write", "replace", "remove"}
    assert done["modules"][0]["wins"] == f"{base}/updates/hello.ko"
    assert json.loads(_dlkm(tmp_path, *words).stdout)["operations"] == []
    undone = json.loads(_dlkm(tmp_path, "--rootfs", target, "--undo", "--json").stdout)
    inverse = {"mkdir": "rmdir", "write": "remove", "replace": "restore", "remove": "restore"}
    assert undone["operations"] == [
        {"action": inverse[operation["action"]], "path": operation["path"]} for operation in done["operations"][::-1]
    ]
    assert (undone["changed"], undone["remaining"], _state(target)) == ([], 0, before)
    assert _left_over(tmp_path) == []
    again = _dlkm(tmp_path, "--rootfs", target, "--undo")
    assert (again.returncode, "no staging is recorded" in again.stderr) == (2, True)


@pytest.mark.parametrize("form", ["directory", "tar", "ext4"])
def test_undoing_what_was_changed_since_is_refused(tmp_path: Path, tree: Path, module: Path, form: str) -> None:
    target = _image(tree, form)
    _dlkm(tmp_path, module, "--rootfs", target, *CONFIGURED)
    _dlkm(tmp_path, "--rootfs", target, "--autoload", "other", "--record", tmp_path / "elsewhere")
    if form == "directory":
        (target / "etc/modprobe.d/hello.conf").write_text("mine\n")
    before = _state(target)
    done = _dlkm(tmp_path, "--rootfs", target, "--undo")
    assert (done.returncode, done.stdout) == (1, "nothing was undone: the root filesystem has changed since\n")
    what = "etc/modprobe.d/hello.conf: is not what was put there" if form == "directory" else "is not what the staging"
    assert what in done.stderr
    assert _state(target) == before
    if form != "directory":
        assert _dlkm(tmp_path, "--rootfs", target, "--undo", "--record", tmp_path / "elsewhere").returncode == 0
        assert _dlkm(tmp_path, "--rootfs", target, "--undo").returncode == 0


@pytest.mark.parametrize("form", ["directory", "ext4", "tar.gz", "initrd"])
def test_killed_at_any_time(tmp_path: Path, tree: Path, module: Path, form: str) -> None:
    """It is as before or, for whoever looks at a file, as after; the next run goes on from there."""
    target = _image(tree, form)
    before = _state(target)
    words = (module, "--rootfs", target, *CONFIGURED)
    argv, env = _argv(tmp_path, *words)
    env |= {"SOURCE_DATE_EPOCH": "1700000000"}
    started = time.monotonic()
    subprocess.run(argv, env=env, check=True, capture_output=True)
    took = time.monotonic() - started
    after = _state(target)
    _dlkm(tmp_path, "--rootfs", target, "--undo")
    for number in range(10):
        child = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0)
        time.sleep(took * (0.3 + 0.07 * number))
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if form != "directory":
            assert _state(target) in {before, after}
        assert subprocess.run(argv, env=env, check=False, capture_output=True).returncode == 0
        if form == "directory" or _state(target) == after:
            _dlkm(tmp_path, "--rootfs", target, "--undo")
        assert _state(target) == before
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("form", ["directory", "ext4", "tar", "initrd"])
def test_files_that_may_not_grow(tmp_path: Path, tree: Path, module: Path, form: str) -> None:
    """A limit as ulimit sets it, at the size at which it hurts."""
    module.write_bytes(module.read_bytes() + bytes(2 << 20))
    target = _image(tree, form)
    before = snapshot(tmp_path)
    done = _dlkm(tmp_path, module, "--rootfs", target, *CONFIGURED, prefix=("prlimit", "--fsize=1000000"))
    assert done.returncode == 4, done.stderr
    assert "File too large" in done.stderr
    after = {
        path: state for path, state in snapshot(tmp_path).items() if path.partition("/")[0] not in {"cache", "tmp"}
    }
    assert after == before
    assert _left_over(tmp_path) == []


@pytest.mark.parametrize(("form", "sparse"), [
    ("ext4", "never"), ("tar", "never"), ("tar.gz", "never"), ("cpio", "never"), ("ext4", "always"),
])  # fmt: skip
def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, tree: Path, module: Path, form: str, sparse: str
) -> None:
    """A small file system of its own, in its own mount namespace: room for the image, and for half of another.

    Of a sparse one there is room for two, but not for what debugfs then puts into the copy.
    """
    module.write_bytes(module.read_bytes() + os.urandom(1 << 20))
    image = _image(tree, form)
    subprocess.run(["cp", f"--sparse={sparse}", image, tmp_path / "copy"], check=True)
    held = (tmp_path / "copy").stat().st_blocks * 512
    size = held * (2 if sparse == "always" else 1) + (300 << 10)
    (tmp_path / "mnt").mkdir()
    script = (
        'mount -t tmpfs -o size="$1" none "$2" && cp --sparse="$SPARSE" "$3" "$2" || exit 99; shift 3; "$@"; '
        'echo status $?; cd "$PLACE" && sha256sum *; ls -A'
    )
    argv, env = _argv(tmp_path, module, "--rootfs", tmp_path / "mnt" / image.name, *CONFIGURED, "-q")
    env |= {"PLACE": str(tmp_path / "mnt"), "SPARSE": sparse}
    words = [str(size), str(tmp_path / "mnt"), str(image), *argv]
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", *words], env=env, capture_output=True, text=True,
                          check=False)  # fmt: skip
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert done.stdout.splitlines() == ["status 4", f"{digest}  {image.name}", image.name], done.stderr
    assert "No space left on device" in done.stderr


def test_no_room_to_unpack(tmp_path: Path, tree: Path, module: Path) -> None:
    put(tree, {"usr/large": os.urandom(3 << 20)})
    image = _image(tree, "tar.gz")
    before = _state(image)
    argv, env = _argv(tmp_path, module, "--rootfs", image, *CONFIGURED)
    script = 'mount -t tmpfs -o size=1M none "$TMPDIR"; exec "$@"'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", *argv], env=env, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert (done.returncode, "No space left on device" in done.stderr) == (4, True), done.stderr
    assert _state(image) == before


@pytest.mark.parametrize("form", ["ext4", "tar"])
def test_a_directory_in_which_nothing_can_be_written(tmp_path: Path, tree: Path, module: Path, form: str) -> None:
    folder = tmp_path / "fixed"
    folder.mkdir()
    image = _image(tree, form).rename(folder / f"image.{form}")
    before = _state(image)
    words = ("bwrap", "--bind", "/", "/", "--dev", "/dev", "--ro-bind", str(folder), str(folder))
    done = _dlkm(tmp_path, module, "--rootfs", image, *CONFIGURED, prefix=words)
    assert (done.returncode, "Read-only file system" in done.stderr) == (4, True), done.stderr
    assert (_state(image), list(folder.iterdir())) == (before, [image])
    assert not (tmp_path / "state/dlkm").exists() or list((tmp_path / "state/dlkm").rglob("record.json")) == []


_HOSTILE = [(name, form) for number, name in enumerate(ESCAPES) for form in [("ext4", "tar", "cpio")[number % 3]]]


@pytest.mark.parametrize(("name", "form"), _HOSTILE)
def test_links_in_an_image_lead_nowhere_outside(tmp_path: Path, module: Path, name: str, form: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    put(tmp_path, {"victim": "precious", "dir/modules/x": "precious", "etc/x": "x"})
    put(root, {"etc/hostname": "x"} if name != "etc" else {"hostname": "x"})
    ESCAPES[name](root)
    image = _image(root, form)
    before = {path: state for path, state in snapshot(tmp_path).items() if path != image.name}
    done = _dlkm(tmp_path, module, "--rootfs", image, *CONFIGURED, "--json")
    assert done.returncode == 0, done.stderr
    ours = {image.name, "cache", "state", "tmp", f"{image.name}.staged"}
    after = {path: state for path, state in snapshot(tmp_path).items() if path.partition("/")[0] not in ours}
    assert after == {path: state for path, state in before.items() if path.partition("/")[0] not in ours}
    (staged,) = json.loads(done.stdout)["modules"]
    assert staged["wins"] == staged["path"]
    assert json.loads(_dlkm(tmp_path, module, "--rootfs", image, *CONFIGURED, "--json").stdout)["operations"] == []


@pytest.mark.parametrize(("name", "form"), [(name, ("tar", "ext4")[number % 2]) for number, name in enumerate(REFUSED)])
def test_what_cannot_be_in_an_image(tmp_path: Path, module: Path, name: str, form: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    REFUSED[name](root)
    image = _image(root, form)
    before = _state(image)
    done = _dlkm(tmp_path, module, "--rootfs", image, *CONFIGURED)
    assert (done.returncode, done.stdout, _state(image)) == (3, "", before), done.stderr
    assert f"dlkm: error: {image}" in done.stderr
    assert _left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hsqs" + bytes(2000), "unsquashfs"),
        (bytes(510) + b"\x55\xaa" + bytes(2000), "a disk with partitions"),
        (b"\x3a\xff\x26\xed" + bytes(2000), "simg2img"),
        (b"noise" * 1000, "is no tar archive"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_root_filesystem(tmp_path: Path, module: Path, content: bytes, said: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(content)
    done = _dlkm(tmp_path, module, "--rootfs", image)
    assert (done.returncode, said in done.stderr) == (3, True), done.stderr
    assert image.read_bytes() == content


def test_what_is_no_file_at_all(tmp_path: Path, module: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("pipe", "is not a regular file"), ("nowhere", "mkdir -p")):
        done = _dlkm(tmp_path, module, "--rootfs", tmp_path / name)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_two_at_once_wait_for_each_other(tmp_path: Path, tree: Path) -> None:
    """Each changes what the other has made of it."""
    image = _image(tree, "tar.gz")
    before = _state(image)
    children = []
    for name in ("one", "two", "three"):
        argv, env = _argv(tmp_path, "--rootfs", image, "--autoload", name)
        children.append(subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    assert [child.wait() for child in children] == [0, 0, 0]
    names = subprocess.run(["tar", "-tzf", str(image)], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {f"./etc/modules-load.d/{name}.conf" for name in ("one", "two", "three")} <= set(names)
    for remaining in (2, 1, 0):
        undone = _dlkm(tmp_path, "--rootfs", image, "--undo", "--json")
        assert json.loads(undone.stdout)["remaining"] == remaining
    assert _state(image) == before


def test_undo_stages_nothing(tmp_path: Path, tree: Path, module: Path) -> None:
    done = _dlkm(tmp_path, module, "--rootfs", tree, "--undo")
    assert (done.returncode, "stages nothing" in done.stderr) == (2, True)
