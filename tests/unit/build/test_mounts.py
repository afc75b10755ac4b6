# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sandbox shows: the machine's tools, of the kernels only the chosen one; and when there is no sandbox."""

from itertools import pairwise
from pathlib import Path

import pytest

from dlkm.build.bubblewrap import find_bubblewrap
from dlkm.build.kerneltree import headers_of, tree_on_the_target, tree_on_this_machine
from dlkm.build.mounts import mounts_of
from dlkm.build.scratch import Scratch
from dlkm.core.errors import UsageError
from dlkm.core.events import Event, EventKind, Events
from dlkm.kernel.compiler import Compiler
from dlkm.kernel.kernel import Kernel
from tests.unit.build.fakes import FakeRunner, kernel

HOST = ["usr/bin/uname", "usr/lib/gcc/x", "usr/lib/modules/5.10/build/x", "usr/lib/linux-kbuild-5.10/x",
        "usr/src/linux-headers-5.10/x", "usr/share/x", "etc/alternatives/x", "etc/shadow"]  # fmt: skip


def _host(folder: Path, *, merged: bool) -> Path:
    for name in HOST if merged else [*HOST, "bin/uname", "lib/modules/5.10/x", "lib/firmware/x"]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    if merged:
        (folder / "bin").symlink_to("usr/bin")
        (folder / "lib").symlink_to("usr/lib")
    return folder


def _scratch(folder: Path) -> Scratch:
    scratch = Scratch(folder / "scratch")
    for path in (scratch.path, scratch.driver, scratch.root, scratch.tools):
        path.mkdir()
    return scratch


def _mounts(folder: Path, kernel: Kernel, *, merged: bool, compiler: str = "/usr/bin/gcc-12") -> tuple[str, ...]:
    used = Compiler(path=Path(compiler), family="gcc", major=12)
    host = _host(folder / "host", merged=merged)
    return mounts_of(host, _scratch(folder), tree_on_the_target(kernel), used)


def _places(words: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Place → (option, what is put there)."""
    found = {}
    for number, word in enumerate(words):
        if word in {"--ro-bind", "--bind", "--symlink"}:
            found[words[number + 2]] = (word, words[number + 1])
    return found


@pytest.mark.parametrize("merged", [True, False])
def test_of_the_kernels_only_the_chosen_one(tmp_path: Path, merged: bool) -> None:  # noqa: FBT001
    chosen = kernel(tmp_path / "tree")
    places = _places(_mounts(tmp_path, chosen, merged=merged))
    modules = "/usr/lib/modules" if merged else "/lib/modules"
    assert places["/usr/src/linux-headers-6.1.0-9-amd64"] == ("--ro-bind", str(chosen.headers))
    assert places["/usr/lib/linux-kbuild-6.1"][0] == "--ro-bind"
    assert places[f"{modules}/6.1.0-9-amd64/build"] == ("--symlink", "/usr/src/linux-headers-6.1.0-9-amd64")
    assert places[f"{modules}/6.1.0-9-amd64/source"] == ("--symlink", "/usr/src/linux-headers-6.1.0-9-common")
    assert not [place for place in places if "5.10" in place or "shadow" in place]
    assert not {"/usr", "/usr/lib", "/usr/src", "/usr/lib/modules", "/lib/modules", "/etc", "/"} & places.keys()


@pytest.mark.parametrize("merged", [True, False])
def test_our_uname_lies_over_the_machines(tmp_path: Path, merged: bool) -> None:  # noqa: FBT001
    places = _places(_mounts(tmp_path, kernel(tmp_path / "tree"), merged=merged))
    ours = ("--ro-bind", str(tmp_path / "scratch/tools/uname"))
    assert places["/usr/bin/uname"] == ours
    assert places.get("/bin/uname") == (None if merged else ours)


def test_a_uname_that_is_a_link_to_many_programs_is_left(tmp_path: Path) -> None:
    host = _host(tmp_path / "host", merged=True)
    (host / "usr/bin/uname").rename(host / "usr/bin/coreutils")
    (host / "usr/bin/uname").symlink_to("coreutils")
    used = Compiler(path=Path("/usr/bin/gcc"), family="gcc", major=None)
    words = mounts_of(host, _scratch(tmp_path), tree_on_the_target(kernel(tmp_path / "tree")), used)
    assert "/usr/bin/uname" not in _places(words)


@pytest.mark.parametrize("text", ["/bin/kmod", "../bin/kmod"])
def test_depmod_is_covered_and_the_rest_of_kmod_is_not_lost(tmp_path: Path, text: str) -> None:
    host = _host(tmp_path / "host", merged=True)
    (host / "usr/bin/kmod").write_text("")
    (host / "usr/sbin").mkdir()
    (host / "usr/sbin/depmod").symlink_to(text)
    used = Compiler(path=Path("/usr/bin/gcc"), family="gcc", major=None)
    scratch = _scratch(tmp_path)
    places = _places(mounts_of(host, scratch, tree_on_the_target(kernel(tmp_path / "tree")), used))
    assert Path(places["/usr/bin/kmod"][1]).parent == scratch.tools
    assert places["/build/kmod/kmod"] == ("--ro-bind", str(host / "usr/bin/kmod"))
    assert places["/build/kmod/modinfo"] == ("--symlink", "kmod")


def test_a_depmod_that_is_a_file_is_covered_itself(tmp_path: Path) -> None:
    host = _host(tmp_path / "host", merged=True)
    (host / "usr/sbin").mkdir()
    (host / "usr/sbin/depmod").write_text("")
    used = Compiler(path=Path("/usr/bin/gcc"), family="gcc", major=None)
    scratch = _scratch(tmp_path)
    places = _places(mounts_of(host, scratch, tree_on_the_target(kernel(tmp_path / "tree")), used))
    assert places["/usr/sbin/depmod"] == ("--ro-bind", str(scratch.tools / "depmod"))


def test_proc_and_boot_are_the_targets(tmp_path: Path) -> None:
    chosen = kernel(tmp_path / "tree")
    boot = tmp_path / "tree/boot"
    boot.mkdir()
    for name in ("config", "vmlinuz", "System.map"):
        for release in (chosen.release, "5.10"):
            (boot / f"{name}-{release}").write_text("")
    places = _places(_mounts(tmp_path, chosen, merged=True))
    assert {place for place in places if place.startswith("/boot")} == {
        f"/boot/{name}-{chosen.release}" for name in ("config", "vmlinuz", "System.map")
    }
    assert {"/proc/version", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/version"} <= places.keys()


def test_the_config_of_a_kernel_that_lies_anywhere_is_in_boot(tmp_path: Path) -> None:
    packaged = kernel(tmp_path / "tree")
    config = tmp_path / "config"
    config.write_text("")
    own = Kernel(id="x", release="6.1", arch=packaged.arch, origin="/dir", headers=packaged.headers, config_file=config)
    assert (config, "/boot/config-6.1") in tree_on_the_target(own).binds


def test_only_the_copy_the_install_root_and_dkms_own_tree_can_be_written(tmp_path: Path) -> None:
    words = _mounts(tmp_path, kernel(tmp_path / "tree"), merged=True)
    written = [place for place, (option, _what) in _places(words).items() if option == "--bind"]
    assert written == ["/build/driver", "/build/root", "/var/lib/dkms"]


def test_a_compiler_from_elsewhere_comes_along(tmp_path: Path) -> None:
    words = _mounts(tmp_path, kernel(tmp_path / "tree"), merged=True, compiler="/opt/tools/bin/gcc-12")
    assert ("--ro-bind", "/opt/tools") in pairwise(words)


def test_a_tree_that_lies_anywhere_keeps_its_place_and_gets_the_usual_one(tmp_path: Path) -> None:
    packaged = kernel(tmp_path / "tree")
    own = Kernel(id="x", release=packaged.release, arch=packaged.arch, origin="/dir", headers=packaged.headers)
    tree = tree_on_the_target(own)
    headers = str(packaged.headers)
    assert tree.directory == headers
    assert {place for _path, place in tree.binds} == {
        headers,
        str(tmp_path / "tree/usr/src/linux-headers-6.1.0-9-common"),
        str(tmp_path / "tree/usr/lib/linux-kbuild-6.1/scripts"),
    }
    assert (headers, f"/usr/src/linux-headers-{own.release}") in tree.links
    assert tree_on_this_machine(own).directory == headers


def test_a_kernel_without_headers_is_a_usage_error_with_the_command(tmp_path: Path) -> None:
    packaged = kernel(tmp_path / "tree")
    bare = Kernel(id="6.1.0-9-amd64", release=packaged.release, arch=packaged.arch, origin="rootfs:/x")
    with pytest.raises(UsageError) as caught:
        headers_of(bare)
    assert caught.value.hint == "dlkm kernel add debian:6.1.0-9-amd64"


def _warnings(heard: list[Event]) -> list[str]:
    return [event.text for event in heard if event.kind is EventKind.WARNING]


def test_no_bubblewrap_says_what_is_lost() -> None:
    heard: list[Event] = []
    assert find_bubblewrap(FakeRunner({}), Events(heard.append), is_root=False) is None
    (warning,) = _warnings(heard)
    assert "apt-get install bubblewrap" in warning
    assert "uname -r" in warning


def test_a_forbidden_bubblewrap_says_what_is_lost() -> None:
    heard: list[Event] = []
    refused = "bwrap: setting up uid map: Permission denied"
    runner = FakeRunner({"bwrap": "/usr/bin/bwrap"}, {"/usr/bin/bwrap": (1, refused)})
    assert find_bubblewrap(runner, Events(heard.append), is_root=True) is None
    assert len(runner.ran) == 2
    (warning,) = _warnings(heard)
    assert refused in warning


def test_an_ordinary_user_is_root_inside() -> None:
    runner = FakeRunner({"bwrap": "/usr/bin/bwrap"})
    found = find_bubblewrap(runner, Events(), is_root=False)
    assert found is not None
    assert found.identity == ("--unshare-user", "--uid", "0", "--gid", "0")
    as_root = find_bubblewrap(runner, Events(), is_root=True)
    assert as_root is not None
    assert as_root.identity == ()
