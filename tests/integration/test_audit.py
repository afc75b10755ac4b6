# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm audit as users run it: a Debian root filesystem with drivers of ours, in every form; hostile and broken ones."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from tests.conftest import debian_root
from tests.contract.audit_roots import BASE, Plan, initramfs, make, module
from tests.contract.modprobe import modprobe
from tests.unit.rootfs.support import put, snapshot

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "tests" / "drivers"
DLKM = Path(sys.executable).with_name("dlkm")
Done = subprocess.CompletedProcess[str]
EDU = "pci:v00001234d000011E8sv*sd*bc*sc*i*"


def _dlkm(*words: object, status: int | None = None) -> Done:
    argv = [str(DLKM), *(str(word) for word in words)]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    assert status is None or done.returncode == status, done.stdout + done.stderr
    return done


def _audit(root: Path, *words: object, status: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_dlkm("audit", root, "--json", *words, status=status).stdout)
    assert document["schema"] == "dlkm.audit/1"
    return document


def _rules(document: dict[str, Any], *severities: str) -> set[str]:
    return {one["rule"] for one in document["findings"] if one["severity"] in (severities or ("error", "warning"))}


@pytest.fixture(scope="module")
def built(kernel_61: Kernel, kernel_61_rt: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Drivers by their names; `kver` is built for another kernel."""
    out = tmp_path_factory.mktemp("built")
    _dlkm("build", DRIVERS / "rooted", "-k", kernel_61.id, "-o", out / "ours", status=0)
    _dlkm("build", DRIVERS / "kver", "-k", kernel_61_rt.id, "-o", out / "theirs", status=0)
    return {path.stem: path for path in out.rglob("*.ko")}


@pytest.fixture(scope="module")
def healthy(kernel_61: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain Debian root filesystem."""
    return debian_root(tmp_path_factory.mktemp("healthy") / "root", kernel_61)


def test_a_plain_debian_root_is_right(healthy: Path, kernel_61: Kernel) -> None:
    document = _audit(healthy, "--strict", status=0)
    assert document["right"]
    assert document["findings"] == []
    (kernel,) = document["kernels"]
    assert (kernel["release"], kernel["arch"]) == (kernel_61.release, "x86_64")
    assert kernel["verdicts"] == {"loads": kernel["modules"]}
    assert document["kmod"].startswith("kmod ")


@pytest.fixture(scope="module")
def staged(kernel_61: Kernel, built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with drivers of ours, a blacklist for the twin's name, and a module that the kernel refuses."""
    root = debian_root(tmp_path_factory.mktemp("staged") / "root", kernel_61)
    ours = [built[name] for name in ("dummy", "edu_ours", "edu_stub", "gadget")]
    _dlkm("stage", *ours, "--rootfs", root, "--autoload", "dummy", "--autoload", "gadget", status=0)
    _dlkm("stage", built["kver"], "-k", kernel_61.id, "--rootfs", root, "--force", status=0)
    _dlkm("stage", "--rootfs", root, "--blacklist", "dummy", "--blacklist", "edu_stub", status=0)
    (stub,) = root.glob("usr/lib/modules/*/updates/edu_stub.ko")
    older = kernel_61.release.replace(".0-", ".9-").encode()
    data = stub.read_bytes().replace(b"vermagic=" + kernel_61.release.encode(), b"vermagic=" + older)
    stub.unlink()
    stub.write_bytes(data)
    return root


@pytest.fixture(scope="module")
def document(staged: Path) -> dict[str, Any]:
    before = snapshot(staged / "etc")
    found = _audit(staged, "--module", "dummy", "--module", EDU, "--module", "edu_*", "--module", "nosuch", status=1)
    assert snapshot(staged / "etc") == before
    return found


def _only(document: dict[str, Any], rule: str) -> dict[str, Any]:
    (found,) = [one for one in document["findings"] if one["rule"] == rule]
    return dict(found)


def test_what_is_wrong_is_found(document: dict[str, Any], kernel_61: Kernel) -> None:
    assert _rules(document, "error") == {"autoload-blacklisted", "blacklist-blocks-meant", "refused"}
    refused = _only(document, "refused")
    assert refused["path"].endswith("/updates/kver.ko")
    assert "ENOEXEC ('kver: disagrees about version of symbol module_layout')" in refused["message"]
    other = _only(document, "other-release")  # of kver, built for another one too, the refusal tells enough
    assert other["path"].endswith("/updates/edu_stub.ko")
    assert "all symbol versions agree" in other["message"]
    blocks = next(
        one for one in document["findings"] if one["rule"] == "blacklist-blocks-meant" and one["severity"] == "error"
    )
    assert (blocks["path"], blocks["line"], blocks["module"]) == ("etc/modprobe.d/dummy.conf", 1, "dummy")
    assert "kernel/drivers/net/dummy.ko" in blocks["message"]
    assert "wins over" in blocks["hint"]
    assert {one["kernel"] for one in document["findings"]} == {kernel_61.release}


def _shown(root: Path, release: str, *words: str) -> list[str]:
    """What modprobe itself would load, relative to the root."""
    lines = modprobe(root, release, "--show-depends", *words)
    return [line.split()[1].removeprefix(f"{root}/") for line in lines if line.startswith("insmod")]


def test_modprobe_loads_what_is_said_to_win(document: dict[str, Any], staged: Path, kernel_61: Kernel) -> None:
    choices = {one["name"]: one for one in document["modules"]}
    assert choices.keys() >= {"dummy", "edu_ours", "edu_stub", "gadget", "kver"}
    for name in ("dummy", "edu_ours", "gadget"):
        wins = choices[name]["wins"].removeprefix("usr/")
        assert (
            _shown(staged, kernel_61.release, name)[-1] == wins == f"lib/modules/{kernel_61.release}/updates/{name}.ko"
        )
    assert choices["dummy"]["shadowed"] == [f"usr/lib/modules/{kernel_61.release}/kernel/drivers/net/dummy.ko"]
    assert choices["dummy"]["blacklist"] == "etc/modprobe.d/dummy.conf:1"
    assert choices["dummy"]["autoload"] == ["etc/modules-load.d/dummy.conf:1"]


def test_an_alias_names_all_that_are_loaded_for_it(document: dict[str, Any], staged: Path, kernel_61: Kernel) -> None:
    queries = {one["asked"]: one for one in document["queries"]}
    assert sorted(queries[EDU]["modules"]) == ["edu_ours", "edu_stub"]
    assert queries["edu_*"]["modules"] == ["edu_ours", "edu_stub"]
    assert queries["nosuch"]["modules"] == []
    (alias,) = next(one["aliases"] for one in document["modules"] if one["name"] == "edu_ours")
    assert (alias["alias"], alias["loads"], alias["blacklisted"]) == (EDU, ["edu_ours"], ["edu_stub"])
    device = EDU.replace("*", "0")
    assert [Path(path).stem for path in _shown(staged, kernel_61.release, device)] == ["edu_ours"]


def test_the_table_says_the_same(staged: Path) -> None:
    out = _dlkm("audit", staged, status=1).stdout
    assert "updates/dummy.ko (blacklisted)" in out
    assert "depmod searches updates first" in out
    assert "(blacklist-blocks-meant)" in out
    assert "not shown, -v" in out
    asked = _dlkm("audit", staged, "--module", "dummy", status=1).stdout
    assert "  shadowed: usr/lib/modules" in asked


def test_findings_as_sarif(staged: Path, tmp_path: Path) -> None:
    _dlkm("audit", staged, "--sarif", tmp_path / "x.sarif", status=1)
    (run,) = json.loads((tmp_path / "x.sarif").read_text())["runs"]
    assert run["tool"]["driver"]["name"] == "dlkm audit"
    places = {one["ruleId"]: one["locations"][0]["physicalLocation"] for one in run["results"]}
    assert places["autoload-blacklisted"]["artifactLocation"]["uri"] == "etc/modules-load.d/dummy.conf"
    assert places["autoload-blacklisted"]["region"] == {"startLine": 1}
    _dlkm("audit", staged, "--sarif", tmp_path / "no/x.sarif", status=2)


def _tar(root: Path, into: Path) -> None:
    subprocess.run(["tar", "-C", root, "-I", "zstd -1", "-cf", into, "."], check=True, env=environment())


def _ext4(root: Path, into: Path) -> None:
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, into, "1G"], check=True, env=environment())


@pytest.mark.parametrize(("form", "pack"), [("tar", _tar), ("ext4", _ext4)], ids=["tar.zst", "ext4"])
def test_other_forms_say_the_same(
    form: str, pack: Callable[[Path, Path], None], staged: Path, document: dict[str, Any], tmp_path: Path
) -> None:
    pack(staged, tmp_path / "image")
    words = [word for name in ("dummy", EDU, "edu_*", "nosuch") for word in ("--module", name)]
    found = _audit(tmp_path / "image", *words, status=1)
    assert found["form"] == form
    for key in ("kmod", "kernels", "modules", "queries", "findings"):
        assert found[key] == document[key], key


# ---- small roots: what is bad input, and what must do no harm


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return make(tmp_path / "root", Plan(files={f"{BASE}/updates/hello.ko": module("hello")}))


def test_a_small_root_and_its_exit_statuses(small: Path) -> None:
    assert _dlkm("audit", small, status=0).stdout.startswith("6.1.0-56-amd64: 6 modules")
    _dlkm("audit", small, "--strict", status=8)
    _dlkm("audit", small, "--cmdline", "quiet module_blacklist=hello", status=1)
    put(small, {"etc/modules-load.d/x.conf": "nosuch\n"})
    assert _rules(_audit(small, status=1)) == {"autoload-unresolved"}


@pytest.mark.parametrize(
    ("words", "status"),
    [(("nowhere",), 2), (("empty",), 2), (("text",), 3), (("cut.img",), 3), (("root", "--nonsense"), 2), ((), 2)],
)
def test_bad_input_is_told(words: tuple[str, ...], status: int, small: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    put(tmp_path, {"text": "hello"})
    initramfs(small, "../cut.img", {f"{BASE}/kernel/loop.ko": module("loop")})
    (tmp_path / "cut.img").write_bytes((tmp_path / "cut.img").read_bytes()[:200])
    done = _dlkm("audit", *(tmp_path / word if word != "--nonsense" else word for word in words), status=status)
    assert done.stdout == ""
    assert done.stderr.count("dlkm: error: ") == 1


def test_hostile_roots_are_looked_at_without_harm(small: Path, tmp_path: Path) -> None:
    put(tmp_path / "outside", {"secret": "alias secret loop\n", "m/kernel/x.ko": module("x")})
    put(small, {
        "etc/modprobe.d/out.conf": f"-> {tmp_path}/outside/secret",
        "etc/modprobe.d/up.conf": "-> ../../../outside/secret",
        "etc/modprobe.d/ring.conf": "-> ring.conf",
        "etc/modprobe.d/zero.conf": "-> /dev/zero",
        "etc/modprobe.d/big.conf": b"\xff" * (3 << 20),
        "etc/modules-load.d/\udcff\n.conf": "loop\x1b[31m\n",
        "etc/depmod.d/x.conf": "external * /opt/m\nsearch / .. updates\noverride x (a+)+$ ..\n",
        f"{BASE}/updates/out.ko": f"-> {tmp_path}/outside/m/kernel/x.ko",
        f"{BASE}/updates/ring": "-> ../updates",
        f"{BASE}/updates/junk.ko": b"\x7fELF" + bytes(range(256)) * 99,
        f"{BASE}/updates/a b:c.ko": "x",
        f"{BASE}/modules.alias.bin.x": "",
        "boot/initrd.img-6.1.0-56-amd64": b"070701" + b"f" * 4000,
        "boot/loader/entries/x.conf": "-> x.conf",
    })  # fmt: skip
    os.mkfifo(small / "etc/modprobe.d/pipe.conf")
    os.mkfifo(small / f"{BASE}/updates/pipe.ko")
    (small / BASE / "modules.dep.bin").write_bytes(
        b"\xb0\x07\xf4\x57\0\2\0\1" + b"\x20\0\0\x0c" + bytes([0, 127]) + b"\x20\0\0\x0c" * 128
    )
    document = _audit(small, "--module", "secret", "--module", "*", status=1)
    assert {one["asked"]: one["by"] for one in document["queries"]}["secret"] == "nothing"
    assert _rules(document) >= {"conf-no-file", "conf-dangling", "conf-too-large", "module-dangling", "module-no-file",
                                "module-odd-name", "refused", "module-circle", "depmod-stale",
                                "initramfs-unreadable", "autoload-unresolved"}  # fmt: skip
    shown = _dlkm("audit", small, "-v", status=1)
    assert "\x1b" not in shown.stdout
    assert str(tmp_path / "outside/secret") not in shown.stdout


@pytest.mark.parametrize("name", ["modules.dep.bin", "modules.alias.bin", "modules.builtin.bin", "modules.softdep"])
def test_any_bytes_for_an_index(name: str, small: Path) -> None:
    good = (small / BASE / name).read_bytes() or b"\xb0\x07\xf4\x57\0\2\0\1\0\0\0\0"
    for data in (b"\xb0\x07\xf4\x57", good[:-3], good[:12] + b"\xff" * len(good), bytes(4096), good * 3):
        (small / BASE / name).write_bytes(data)
        assert _dlkm("audit", small, "--module", "hello").returncode in {0, 1}


CHANGES: dict[str, Callable[[Path], object]] = {
    "a name to load": lambda root: put(root, {"etc/modules-load.d/x.conf": "nosuch\n"}),
    "a file that is gone": lambda root: (root / BASE / "kernel/loop.ko").unlink(),
    "a module of the same size": lambda root: (root / BASE / "updates/hello.ko").write_bytes(module("hallo")),
    "a link": lambda root: (root / BASE / "updates/new.ko").symlink_to("nowhere"),
    "an initramfs": lambda root: put(root, {"boot/initrd.img-6.1.0-56-amd64": b"x"}),
    "a boot loader's word": lambda root: put(root, {"boot/loader/entries/a.conf": "options module_blacklist=hello\n"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_answer_is_given_again_until_something_changes(change: str, small: Path, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    argv = [str(DLKM), "audit", str(small)]

    def run() -> Done:
        return subprocess.run(argv, env=environment(cache), capture_output=True, text=True, check=False, timeout=60)

    time.sleep(0.2)  # what has just changed is not relied on
    first = run()
    assert (first.returncode, len(list((tmp_path / "cache/dlkm/answers").iterdir()))) == (0, 1)
    again = run()
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, ""), "looked at anew"
    CHANGES[change](small)
    assert run().returncode == 1
