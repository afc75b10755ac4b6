# SPDX-License-Identifier: GPL-2.0-or-later
"""What modprobe hands to modules, and runs in place of them and of what they need: by our reading, and kmod's own."""

import json
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.handed import with_commands, with_options
from dlkm.rootfs.kmod import Loader
from dlkm.rootfs.lookup import Lookup
from dlkm.rootfs.modtree import module_of_path
from dlkm.rootfs.release import Release
from dlkm.rootfs.root import DirectoryRoot
from dlkm.rootfs.settings import Settings
from dlkm.verdict.conditions import Conditions
from tests.contract.modprobe import link_modules, modprobe
from tests.contract.test_again import DLKM
from tests.unit.rootfs.support import put

pytestmark = pytest.mark.contract

CONF = {
    "etc/modprobe.d/a.conf": (
        "install tunnel4 /bin/false\n"
        "install ip6_t* /bin/echo never\n"
        "install sctp /bin/true\n"
        "install mac80211 /bin/false\nsoftdep mac80211 pre: dummy\n"  # which has it loaded all the same
        "install nosuch /bin/false\n"
        'options dummy numdummies="3  4" x=1\noptions loop max_loop=8\n'
        "options sit log_ecn_error=\\\n1\n"
    ),
    "etc/modprobe.d/b.conf": "options loop max_part=1\n",
    "etc/modprobe.d/c.conf": "-> ../elsewhere.conf",
    "etc/elsewhere.conf": "install udp_tunnel /bin/true\n",
}


BUSYBOX_CONF = (
    "install tunnel4 /bin/false\nsoftdep dummy pre: loop\noptions loop max_loop=8\noptions sit log_ecn_error=1 # no\n"
)


@pytest.fixture(scope="module")
def root(kernel_61: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Debian's own modules behind links, and a configuration that says much of them."""
    top = tmp_path_factory.mktemp("handed")
    link_modules(kernel_61, top)
    put(top, CONF)
    subprocess.run(["depmod", "-b", top, kernel_61.release], check=True)
    yield top
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def told(root: Path, kernel_61: Kernel) -> tuple[Conditions, Lookup]:
    with DirectoryRoot(root) as opened:
        release = Release(root=opened, release=kernel_61.release, settings=Settings.of(opened))
        return with_commands(with_options(Conditions(), release.settings), release), release.lookup


def _actions(root: Path, release: str, name: str) -> list[str]:
    """What modprobe would do, line by line."""
    return modprobe(root, release, "--show-depends", name, check=True)


def _chosen(lookup: Lookup) -> list[str]:
    """Modules that somebody speaks of, those that need one of them, and others."""
    spoken_of = {"tunnel4", "tunnel6", "ip6_tunnel", "sctp", "mac80211", "udp_tunnel", "dummy", "loop", "sit"}
    users = [name for name, needs in lookup.needs.items() if spoken_of & set(needs)]
    numbers = random.Random(3)
    return sorted({*spoken_of, *numbers.sample(users, 90), *numbers.sample(list(lookup.files), 30)})


def test_commands_in_place_of_a_module_and_of_what_it_needs(
    root: Path, kernel_61: Kernel, told: tuple[Conditions, Lookup]
) -> None:
    conditions, lookup = told
    seen = 0
    for name in _chosen(lookup):
        ran = [line.removeprefix("install ").strip() for line in _actions(root, kernel_61.release, name)
               if line.startswith("install ")]  # fmt: skip
        own = conditions.command_of(name)
        ours = [one.command for one in conditions.detours_of(name, ())]
        assert sorted(ran) == sorted(ours + ([own] if own is not None else [])), name
        seen += bool(ours)
    assert seen > 20


def test_modules_behind_each_command(told: tuple[Conditions, Lookup]) -> None:
    (sit,) = told[0].detours_of("sit", ())
    assert (sit.needed, sit.command) == ("tunnel4", "/bin/false")
    assert {one.needed for one in told[0].detours} == {"tunnel4", "ip6_tables", "ip6_tunnel", "sctp", "udp_tunnel"}


def test_words_for_modules(root: Path, kernel_61: Kernel, told: tuple[Conditions, Lookup]) -> None:
    for name in ("dummy", "loop", "sit", "btrfs"):
        last = _actions(root, kernel_61.release, name)[-1]
        given = re.sub(r"^insmod \S+ ?", "", last).rstrip()
        assert " ".join(told[0].params_of(name)) == given, name


def test_busybox_heeds_fewer_lines(small: Path, kernel_61: Kernel) -> None:
    """Its modprobe asks the running kernel for the release."""
    put(small, {"etc/modprobe.d/x.conf": BUSYBOX_CONF, "bin/busybox": Path("/usr/bin/busybox").read_bytes()})
    (small / "bin/busybox").chmod(0o755)
    put(small, {"bin/modprobe": "-> busybox", "proc/x": ""})
    modules = small / "lib/modules" / kernel_61.release
    modules.rename(modules.with_name(os.uname().release))
    with DirectoryRoot(small) as opened:
        release = Release(root=opened, release=os.uname().release, settings=Settings.of(opened))
        assert release.settings.kmod.loader is Loader.BUSYBOX
        told = with_commands(with_options(Conditions(), release.settings), release)
        for name in ("sit", "tunnel4", "dummy", "loop"):
            argv = ["bwrap", "--bind", str(small), "/", "--proc", "/proc", "/bin/busybox", "modprobe", "-D", name]
            ran = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=True).stdout
            lines = [line.split(None, 2) for line in ran.splitlines()]
            found = release.lookup.module(name)
            order = [*map(module_of_path, (*found.before, *found.needs)), name]
            assert [module_of_path(path) for _, path, *_ in lines] == order
            assert " ".join(told.params_of(name)) == " ".join(lines[-1][2:]).strip()
            assert (found.command, told.command_of(name)) == (None, None)
    assert told.detours == ()


def _check(root: Path, *words: str) -> dict[str, list[str]]:
    """The findings' messages on each module that is not without one."""
    argv = [str(DLKM), "check", *words, "--rootfs", str(root), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verdicts = json.loads(done.stdout)["results"]
    return {one["module"]: [each["message"] for each in one["findings"]] for one in verdicts if one["findings"]}


@pytest.fixture
def small(kernel_61: Kernel, tmp_path: Path) -> Path:
    """A root with some of the kernel's modules, its image and no configuration."""
    assert kernel_61.modules is not None
    assert kernel_61.image is not None
    modules = tmp_path / "root/lib/modules" / kernel_61.release
    sensors = [path.stem for path in sorted(kernel_61.modules.glob("kernel/drivers/hwmon/a*.ko"))]
    for path in Installed(kernel_61.modules).load_order(["sit", "dummy", "ip6_tunnel", "loop", *sensors]):
        place = modules / path.relative_to(kernel_61.modules)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    put(tmp_path / "root", {f"boot/vmlinuz-{kernel_61.release}": kernel_61.image.read_bytes()})
    subprocess.run(["depmod", "-b", tmp_path / "root", kernel_61.release], check=True)
    return tmp_path / "root"


def test_check_tells_of_commands_wherever_in_the_root_the_lines_stand(small: Path, kernel_61: Kernel) -> None:
    assert _check(small) == {}
    put(small, {"etc/hard.conf": "install tunnel4 /bin/false\n", "etc/modprobe.d/x.conf": "-> /etc/hard.conf"})
    found = _check(small)
    assert found.keys() == {"tunnel4", "sit"}
    assert "does not load tunnel4, which it needs" in found["sit"][0]
    (path,) = small.rglob("sit.ko")
    for words in ([str(path)], [str(path), "-k", f"rootfs:{small}"]):
        assert _check(small, *words).keys() == {"sit"}
    elsewhere = small.parent / "copy"
    elsewhere.mkdir()
    shutil.copy(path, elsewhere)
    (small / path.relative_to(small)).unlink()  # by its own `depends=` then
    subprocess.run(["depmod", "-b", small, kernel_61.release], check=True)
    assert _check(small, str(elsewhere)).keys() == {"sit"}
    assert _check(small, str(elsewhere), "--loaded", "tunnel4") == {}


def test_links_of_a_root_lead_nowhere_else(small: Path, tmp_path: Path) -> None:
    put(tmp_path, {"outside.conf": "install dummy /bin/false\n"})
    put(
        small,
        {
            "etc/modprobe.d/up.conf": "-> ../../../outside.conf",
            "etc/modprobe.d/out.conf": f"-> {tmp_path}/outside.conf",
            "etc/modprobe.d/ring.conf": "-> ring.conf",
            "lib/modprobe.d": f"-> {tmp_path}",
        },
    )
    os.mkfifo(small / "etc/modprobe.d/pipe.conf")
    assert _check(small) == {}


def test_a_kept_answer_rests_on_what_a_link_leads_to(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(small, {"etc/modprobe.d/x.conf": "-> /etc/hard.conf", "etc/hard.conf": "blacklist dummy\n"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    time.sleep(0.3)  # what was changed a moment ago is not relied on
    assert _check(small) == {}
    (kept,) = (tmp_path / "cache/dlkm/answers").iterdir()
    before = kept.stat().st_mtime_ns
    assert _check(small) == {}
    assert kept.stat().st_mtime_ns > before  # it was given again
    put(small, {"etc/hard.conf": "install dummy /bin/true\n"})
    assert _check(small).keys() == {"dummy"}
