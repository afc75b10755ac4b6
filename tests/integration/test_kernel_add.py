# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm kernel` with real apt and dpkg-deb, in a pool of its own: killed, twice at once, damaged, without network."""

import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkm.core.errors import ExitStatus
from dlkm.core.files import cache_home
from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
APT_HELPER = "/usr/lib/apt/apt-helper"
SPEC = "debian:latest-6.1-cloud-amd64"  # the smallest of the series
HELLO = Path(__file__).parents[2] / "examples/hello"
DEADLINE = 300.0  # seconds for a download of 50 MB on a bad day


class Home:
    """A cache directory of the test's own; only apt's lists are shared with the user's."""

    def __init__(self, cache: Path, *, own_lists: bool = False) -> None:
        self.cache = cache
        self.pool = cache / "dlkm/kernels"
        self.pool.mkdir(parents=True)
        if not own_lists:
            (cache_home() / "apt").mkdir(parents=True, exist_ok=True)
            (cache / "dlkm/apt").symlink_to(cache_home() / "apt")

    def start(self, *words: str, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [DLKM, "kernel", *words],
            env=environment({"XDG_CACHE_HOME": str(self.cache), **variables}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **variables: str) -> tuple[int, str, str]:
        process = self.start(*words, **variables)
        out, err = process.communicate(timeout=DEADLINE)
        return process.returncode, out, err

    def kernels(self) -> list[dict[str, object]]:
        status, out, _ = self.run("list", "--json")
        assert status == 0
        listed: list[dict[str, object]] = json.loads(out)["kernels"]
        return listed


def _host_state() -> list[tuple[str, int]]:
    """What apt and dpkg keep of this machine: names and times."""
    folders = [Path("/var/lib/apt"), Path("/var/lib/apt/lists"), Path("/var/lib/dpkg"), Path("/var/cache/apt")]
    paths = [path for folder in folders for path in sorted(folder.iterdir())]
    return [(str(path), path.lstat().st_mtime_ns) for path in paths]


def _programs_in(folder: Path) -> list[str]:
    """Processes that name the folder in their command line, zombies not counted."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Home(tmp_path_factory.mktemp("cache"))
    yield made
    shutil.rmtree(made.cache)


@pytest.fixture
def own_lists(tmp_path: Path) -> Home:
    """One that shares nothing: for mirrors that a test makes up."""
    return Home(tmp_path / "cache", own_lists=True)


@pytest.fixture(scope="module")
def release(home: Home) -> str:
    """A kernel that was added by two processes at once, after a third was killed half-way."""
    before = _host_state()
    killed = home.start("add", SPEC)
    _wait_for_scratch(home, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert home.kernels() == []

    two = [home.start("add", SPEC) for _ in range(2)]
    ended = [(process.communicate(timeout=DEADLINE), process.returncode) for process in two]
    errors = [err for (_, err), _ in ended]
    assert [status for _, status in ended] == [0, 0], errors
    assert sum(err.count("unpacking") for err in errors) == 1, "the work is shared"

    (kernel,) = home.kernels()
    assert _host_state() == before, "the host's package state is not touched"
    return str(kernel["id"])


def _wait_for_scratch(home: Home, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + DEADLINE
    while not list(home.pool.glob(".scratch/*/tree/usr")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_is_whole_and_nothing_else_is_left(home: Home, release: str) -> None:
    assert home.run("verify", release)[0] == 0
    assert list(home.pool.glob(".scratch/*")) == list(home.pool.glob(".downloads/*")) == []
    files = {entry.name for entry in (home.pool / release).iterdir()}
    assert files == {"kernel.json", "known", "manifest.json", "rest.json", "rest.zst", "tree"}


def test_show_says_what_the_packages_say(home: Home, release: str) -> None:
    status, out, _ = home.run("show", release, "--json")
    document = json.loads(out)
    kernel = document["kernel"]
    assert (status, document["schema"], kernel["release"], kernel["arch"]) == (0, "dlkm.kernel/1", release, "x86_64")
    assert kernel["origin"] == f"debian:{release}"
    assert kernel["source"] is None
    symvers = (Path(kernel["headers"]) / "Module.symvers").read_text().splitlines()
    assert kernel["exports"] == len(symvers)
    module = next(Path(kernel["modules"]).rglob("*.ko*"))
    vermagic = subprocess.run(["modinfo", "-F", "vermagic", module], env=environment(), capture_output=True, check=True)
    assert vermagic.stdout.decode() == kernel["vermagic"] + "\n"
    assert kernel["config"]["MODVERSIONS"] == "y"
    assert kernel["compiler"] == kernel["config"]["CC_VERSION_TEXT"]
    assert Path(kernel["image"]).read_bytes()[:2] == b"MZ"


def test_once_there_no_network_is_needed(home: Home, release: str) -> None:
    dead = "http://127.0.0.1:9/"
    assert home.run("add", f"debian:{release}", http_proxy=dead, https_proxy=dead)[0] == 0
    status, _, err = home.run("add", f"debian:{release}", http_proxy=dead, https_proxy=dead)
    assert status == 0
    assert "reading the image" not in err, "it is on record"


def test_a_download_that_fails_keeps_nothing(home: Home, release: str) -> None:
    # The lists are at hand, the network is not.
    other = release.replace("-cloud-", "-rt-")
    status, out, err = home.run("add", f"debian:{other}", http_proxy="http://127.0.0.1:9/")
    assert (status, out) == (ExitStatus.FETCH, "")
    assert f"linux-image-{other}" in err
    assert [kernel["id"] for kernel in home.kernels()] == [release]


def _mirror_of(release: str, mirror: Path) -> tuple[Path, str]:
    """A mirror of the signed lists that name the kernel and of no package: its Packages.xz, and what that says."""
    for packages in sorted(cache_home().glob("apt/amd64-*/lists/*security*_Packages*")):
        text = subprocess.check_output([APT_HELPER, "cat-file", packages], env=environment()).decode()
        if f"Package: linux-image-{release}\n" in text:
            name = packages.name.split("_main_")[0]
            suite = name.split("_dists_")[1]
            folder = mirror / "dists" / suite / "main/binary-amd64"
            folder.mkdir(parents=True)
            shutil.copy(packages.with_name(f"{name}_InRelease"), folder.parents[1] / "InRelease")
            sources = (packages.parents[1] / "sources.list").read_text().splitlines()
            (uri,) = {line.split("] ")[1].split()[0] for line in sources if f" {suite} " in line}
            # By its digest: under its name there may be a newer one by now than the lists at hand were signed for.
            signed = (folder.parents[1] / "InRelease").read_text()
            (digest,) = re.findall(r"^ ([0-9a-f]{64}) +\d+ main/binary-amd64/Packages\.xz$", signed, re.MULTILINE)
            url = f"{uri}/dists/{suite}/main/binary-amd64/by-hash/SHA256/{digest}"
            subprocess.run([APT_HELPER, "download-file", url, folder / "Packages.xz"], env=environment(), check=True)
            return folder / "Packages.xz", text
    raise AssertionError(release)


def test_a_package_that_is_not_the_signed_one_is_refused(own_lists: Home, release: str, tmp_path: Path) -> None:
    mirror = tmp_path / "debian-security"
    _, text = _mirror_of(release, mirror)
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        if fields.get("Package", "").startswith(("linux-image-6.1", "linux-headers-6.1", "linux-kbuild-6.1")):
            path = mirror / fields["Filename"]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as sparse:
                sparse.truncate(int(fields["Size"]))
    status, _, err = own_lists.run("add", f"debian:{release}", "--mirror", f"file://{mirror}")
    assert (status, "Hash Sum mismatch" in err) == (ExitStatus.FETCH, True), err
    assert own_lists.kernels() == []
    assert list(own_lists.pool.glob(".downloads/*/*")) == [], "nothing that is wrong is kept"


def test_lists_that_are_not_the_signed_ones_are_refused(own_lists: Home, release: str, tmp_path: Path) -> None:
    mirror = tmp_path / "debian-security"
    packages, text = _mirror_of(release, mirror)
    packages.write_bytes(lzma.compress(text.replace(release, "6.1.0-9999-amd64").encode()))
    status, _, err = own_lists.run("add", "debian:6.1.0-9999-amd64", "--mirror", f"file://{mirror}")
    # With the true list the mirror serves, as the test above shows; that this one names the release does not help it.
    assert (status, "cannot fetch Debian's package lists" in err) == (ExitStatus.FETCH, True), err
    assert "bookworm-security/main amd64 Packages: Hash Sum mismatch" in err


def test_a_mirror_that_is_none(own_lists: Home, tmp_path: Path) -> None:
    status, _, err = own_lists.run("add", SPEC, "--mirror", f"file://{tmp_path / 'none'}")
    assert (status, "does not have a Release file" in err) == (ExitStatus.FETCH, True), err


def test_no_such_release_is_a_usage_error_that_names_others(home: Home, release: str) -> None:
    status, _, err = home.run("add", "debian:6.1.0-9999-cloud-amd64")
    assert status == ExitStatus.USAGE
    assert release in err


def test_damage_is_named_and_the_spec_restores_it(home: Home, release: str) -> None:
    victim = home.pool / release / "tree/boot" / f"vmlinuz-{release}"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1])
    status, _, err = home.run("show", release)
    assert status == ExitStatus.FETCH
    assert str(victim) in err
    assert f"dlkm kernel add debian:{release}" in err
    assert home.run("verify")[0] == ExitStatus.FETCH
    status, _, err = home.run("add", f"debian:{release}")
    assert status == 0
    assert "damaged" in err
    assert victim.read_bytes() == whole


@pytest.mark.parametrize(
    ("number", "statuses"), [(signal.SIGTERM, {-signal.SIGTERM, 130}), (signal.SIGINT, {130})], ids=str
)
def test_stopped_while_unpacking_its_programs_end_too(
    home: Home, release: str, number: signal.Signals, statuses: set[int]
) -> None:
    os.truncate(home.pool / release / "tree/boot" / f"config-{release}", 0)
    process = home.start("add", f"debian:{release}")
    _wait_for_scratch(home, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode in statuses, err
    assert "Traceback" not in err
    end = time.monotonic() + 30
    while programs := _programs_in(home.pool):
        assert time.monotonic() < end, programs
        time.sleep(0.1)
    assert home.run("add", f"debian:{release}")[0] == 0
    assert home.run("verify", release)[0] == 0


@pytest.mark.parametrize("series", ["kernel_61", "kernel_612"])
def test_headers_build_where_they_lie(series: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Straight from the pool, in a sandbox that has no /usr/src and no /lib/modules of the host."""
    kernel: Kernel = request.getfixturevalue(series)
    shutil.copytree(HELLO, tmp_path / "hello")
    hidden = [word for path in ("/usr/src", "/lib/modules") if Path(path).is_dir() for word in ("--tmpfs", path)]
    make = ["make", "-C", str(kernel.headers), f"M={tmp_path / 'hello'}", "modules"]
    sandbox = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *hidden]
    done = subprocess.run([*sandbox, *make], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = subprocess.check_output(["modinfo", "-F", "vermagic", tmp_path / "hello/hello.ko"], env=environment())
    assert shown.decode() == f"{kernel.vermagic}\n"
