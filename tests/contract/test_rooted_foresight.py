# SPDX-License-Identifier: GPL-2.0-or-later
"""What is foretold of a root's modules, with tables made by kmod's own depmod and a real kernel's modules."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.prove.rooted.expect import Foresight
from dlkm.prove.rooted.subject import Asking, Fate, Foretold, Wish
from dlkm.rootfs.root import DirectoryRoot
from tests.unit.rootfs.support import put

pytestmark = pytest.mark.contract

CONF = {
    "etc/modules-load.d/ours.conf": "dummy\n# a comment\nloop\nnonsense\nfuse-alias\nnbd\nbrd\nserial\n",
    "etc/modules": "tun\n",
    "etc/modprobe.d/ours.conf": (
        "blacklist loop\nblacklist ip6_tunnel\nblacklist tunnel6\noptions dummy numdummies=0x3\n"
        "alias fuse-alias fuse\ninstall nbd /bin/false\ninstall brd /bin/sh -c true\n"
    ),
    "usr/lib/systemd/systemd": "systemd",
    "sbin/init": "->/usr/lib/systemd/systemd",
}
OWN = ("dummy", "loop", "fuse", "nbd", "brd", "ip6_tunnel", "sit", "tun", "8139too")


@pytest.fixture(scope="module")
def given(kernel_61: Kernel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Kernel]:
    """A root with some of the kernel's modules, one of them in `updates` too, and another that was added."""
    assert kernel_61.modules is not None
    installed = Installed(kernel_61.modules)
    root = tmp_path_factory.mktemp("root")
    modules = root / "lib/modules" / kernel_61.release
    for path in installed.load_order(OWN):
        place = modules / path.relative_to(kernel_61.modules)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    (modules / "updates").mkdir()
    for name in ("dummy", "8139too"):
        shutil.copy(str(installed.find(name)), modules / "updates")
    shutil.copy(kernel_61.modules / "modules.builtin", modules)
    put(root, CONF)
    subprocess.run(["depmod", "-b", root, kernel_61.release], check=True)
    return root, replace(kernel_61, modules=modules)


@pytest.fixture
def foresight(given: tuple[Path, Kernel]) -> Iterator[Foresight]:
    with DirectoryRoot(given[0]) as root:
        yield Foresight(root=root, kernel=given[1], named=("sit", "absent"))


def _told(foresight: Foresight, asking: Asking = Asking.BOOT) -> Mapping[str, Foretold]:
    return {subject.module: foresight.told(subject, asking) for subject in foresight.subjects}


def test_the_subjects_and_what_is_meant_with_them(foresight: Foresight) -> None:
    assert {subject.module: subject.wish for subject in foresight.subjects} == {
        "dummy": Wish.AUTOLOAD,
        "loop": Wish.AUTOLOAD,
        "nonsense": Wish.AUTOLOAD,
        "fuse": Wish.AUTOLOAD,
        "nbd": Wish.AUTOLOAD,
        "brd": Wish.AUTOLOAD,
        "serial": Wish.AUTOLOAD,
        "sit": Wish.NAMED,
        "absent": Wish.NAMED,
        "ip6_tunnel": Wish.BLACKLIST,
        "tunnel6": Wish.BLACKLIST,
        "8139too": Wish.ADDED,
    }
    places = {subject.module: subject.places for subject in foresight.subjects}
    assert places["fuse"] == ("etc/modules-load.d/ours.conf:5",)
    assert places["ip6_tunnel"] == ("etc/modprobe.d/ours.conf:2",)


def test_the_file_that_wins_with_its_parameters(foresight: Foresight) -> None:
    dummy = _told(foresight)["dummy"]
    base = f"lib/modules/{foresight.kernel.release}"
    assert (dummy.fate, dummy.file) == (Fate.LOADS, f"{base}/updates/dummy.ko")
    assert dummy.parameters == {"numdummies": "3"}
    assert _told(foresight)["fuse"].file == f"{base}/kernel/fs/fuse/fuse.ko"


def test_what_does_not_load_and_why(foresight: Foresight) -> None:
    told = _told(foresight)
    assert {name: told[name].fate for name in ("loop", "nonsense", "nbd", "brd")} == {
        "loop": Fate.STAYS_OUT,
        "nonsense": Fate.FAILS,
        "nbd": Fate.FAILS,
        "brd": Fate.CANNOT_TELL,
    }
    assert told["absent"].fate is Fate.STAYS_OUT  # nobody tries
    assert "etc/modprobe.d/ours.conf:1" in told["loop"].why
    assert "/bin/sh -c true" in told["brd"].why


def test_what_a_blacklist_keeps_out_and_what_it_does_not(foresight: Foresight) -> None:
    told = _told(foresight)
    assert told["ip6_tunnel"].fate is Fate.STAYS_OUT
    assert told["tunnel6"].fate is Fate.STAYS_OUT  # only ip6_tunnel needs it, which is blacklisted as well
    assert _told(foresight, Asking.ALIAS)["ip6_tunnel"].fate is Fate.STAYS_OUT
    assert _told(foresight, Asking.NAME)["ip6_tunnel"].fate is Fate.LOADS


def test_a_blacklisted_module_that_others_need(given: tuple[Path, Kernel]) -> None:
    with DirectoryRoot(given[0]) as root:
        line = "modprobe.blacklist=ip_tunnel,tunnel4 modules_load=sit"
        told = _told(Foresight(root=root, kernel=given[1], cmdline=line))
    assert (told["ip_tunnel"].fate, told["ip_tunnel"].why) == (Fate.LOADS, "sit needs it")
    assert told["sit"].fate is Fate.LOADS


def test_a_blacklisted_name_to_load_that_another_one_needs(given: tuple[Path, Kernel]) -> None:
    with DirectoryRoot(given[0]) as root:
        line = "modprobe.blacklist=ip_tunnel modules_load=ip_tunnel,sit"
        told = _told(Foresight(root=root, kernel=given[1], cmdline=line))
    assert (told["ip_tunnel"].fate, told["ip_tunnel"].why) == (Fate.LOADS, "sit needs it")


@pytest.mark.parametrize(
    ("command", "fates"),
    [
        ("/bin/false", (Fate.FAILS, Fate.FAILS, Fate.CANNOT_TELL)),
        ("/bin/true", (Fate.FAILS, Fate.STAYS_OUT, Fate.CANNOT_TELL)),
        ("/sbin/insmod tunnel4.ko", (Fate.CANNOT_TELL, Fate.CANNOT_TELL, Fate.CANNOT_TELL)),
    ],
)
def test_a_command_in_place_of_what_a_module_needs(
    command: str, fates: tuple[Fate, ...], given: tuple[Path, Kernel]
) -> None:
    conf = given[0] / "etc/modprobe.d/x.conf"
    conf.write_text(f"install tunnel4 {command}\n")
    with DirectoryRoot(given[0]) as root:
        named = ("tunnel4", "ip_tunnel")
        told = _told(Foresight(root=root, kernel=given[1], cmdline="modules_load=sit", named=named))
    conf.unlink()
    assert tuple(told[name].fate for name in ("sit", "tunnel4", "ip_tunnel")) == fates
    assert all(f"x.conf:1 runs '{command}'" in told[name].why for name in ("sit", "tunnel4", "ip_tunnel"))


def test_whether_something_asks_for_it_no_file_tells(foresight: Foresight) -> None:
    told = _told(foresight)
    assert (told["sit"].fate, told["8139too"].fate) == (Fate.CANNOT_TELL, Fate.CANNOT_TELL)
    assert told["8139too"].file == f"lib/modules/{foresight.kernel.release}/updates/8139too.ko"
    assert _told(foresight, Asking.NAME)["8139too"].fate is Fate.LOADS


def test_another_init_reads_etc_modules_and_obeys_no_blacklist(given: tuple[Path, Kernel], tmp_path: Path) -> None:
    shutil.copytree(given[0], tmp_path / "root", symlinks=True)
    (tmp_path / "root/sbin/init").unlink()
    put(tmp_path / "root", {"sbin/init": "a shell script"})
    with DirectoryRoot(tmp_path / "root") as root:
        found = Foresight(root=root, kernel=given[1])
        told = _told(found)
        places = {subject.module: subject.places for subject in found.subjects}
    assert places["tun"] == ("etc/modules:1",)
    assert told["tun"].fate is Fate.LOADS
    assert told["loop"].fate is Fate.LOADS


def test_what_the_disk_needs_is_there_before(given: tuple[Path, Kernel]) -> None:
    with DirectoryRoot(given[0]) as root:
        told = _told(Foresight(root=root, kernel=given[1], lent=frozenset({"dummy"})))
    assert told["dummy"].fate is Fate.CANNOT_TELL


def test_a_root_without_an_init_is_told(foresight: Foresight, tmp_path: Path) -> None:
    assert foresight.notes == ()
    put(tmp_path, {"sbin/init": "->/lib/systemd/systemd", "bin/sh": "x"})
    with DirectoryRoot(tmp_path) as root:
        (note,) = replace(foresight, root=root).notes
    assert note.startswith("it has no init of its own (/sbin/init, /etc/init, /bin/init): /bin/sh is started")
