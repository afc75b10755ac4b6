# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds on other machines, real services and a worker in a plain directory: the same bytes, whatever befalls."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from tests.builds import DKMS_CONF, DLKM, DRIVERS, HELLO, Cells, build_cells
from tests.services.fake import Fake, reachable
from tests.services.real import Keys, Running, buildgrid, casd, free_port, make_keys, write_token

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_builds_known")]

RECIPE = """\
SUMMARY = "hello"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
inherit module
SRC_URI = "file://hello"
S = "${UNPACKDIR}/hello"
"""
# Like most drivers: it takes the running machine's kernel, whatever is said.
INSISTS = "obj-m := kdir.o\nall:\n\t$(MAKE) -C /lib/modules/$(shell uname -r)/build M=$(CURDIR) modules\n"
SLOW = "obj-m := kdir.o\nall:\n\tsleep 2\n\t$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules\n"


def _dlkm(*words: str | Path, status: int = 0, store: Path | None = None) -> tuple[Cells, str]:
    return build_cells(*words, status=status, env={"DLKM_CACHE": str(store)} if store is not None else None)


def _digests(cells: Cells) -> dict[str, list[str]]:
    return {name: [module["sha256"] for module in cell["modules"]] for name, cell in cells.items()}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """buildbox-casd, whose actions see this machine's /usr and nothing else."""
    with casd(tmp_path_factory.mktemp("casd"), "--bind-mount=/usr:/usr") as service:
        yield service


@pytest.fixture
def directory_worker(tmp_path: Path) -> Iterator[Fake]:
    """A worker that runs each action in a directory of this machine: bubblewrap works there."""
    folder = tmp_path / "worker"
    folder.mkdir()
    with Fake(folder) as service:
        yield service


def _drivers(folder: Path) -> list[Path]:
    """A plain one, one full of paths, one of DKMS's, and a user of another's symbols."""
    dkms = shutil.copytree(DRIVERS / "kdir", folder / "dkms")
    (dkms / "dkms.conf").write_text(DKMS_CONF)
    make = "obj-m := NAME.o\nall: ; $(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules\n"
    giver = "#include <linux/module.h>\nint give(void);\nint give(void) { return 1; }\nEXPORT_SYMBOL_GPL(give);\n"
    user = "#include <linux/module.h>\nint give(void);\nint use(void);\nint use(void) { return give(); }\n"
    for name, text in (("giver", giver), ("user", user)):
        (folder / name).mkdir()
        (folder / name / "Makefile").write_text(make.replace("NAME", name))
        (folder / name / f"{name}.c").write_text(f'{text}MODULE_LICENSE("GPL");\nMODULE_DESCRIPTION("x");\n')
    return [HELLO, DRIVERS / "warns", dkms, folder / "user", folder / "giver"]


def test_the_same_bytes_on_a_cluster(tmp_path: Path, cluster: Running, kernel_61: Kernel, kernel_612: Kernel) -> None:
    words: list[str | Path] = [*_drivers(tmp_path), "-k", kernel_61.id, "-k", kernel_612.id]
    here, _ = _dlkm(*words, "-o", tmp_path / "here", "--no-cache")
    remote = ("--remote", cluster.address, "--remote-fallback", "none")
    there, _ = _dlkm(*words, "-o", tmp_path / "there", *remote, store=tmp_path / "one")
    assert _digests(there) == _digests(here)
    assert {cell["outcome"] for cell in there.values()} == {"built"}
    assert {cell["cached"] for cell in there.values()} == {False}
    for cell in there.values():
        assert Path(cell["symvers"]).read_bytes() == (tmp_path / "here" / cell["id"] / "Module.symvers").read_bytes()
        assert "+ status 0" in Path(cell["log"]).read_text()
    # Another machine asks the same: nothing is run.
    again, _ = _dlkm(*words, "-o", tmp_path / "again", *remote, store=tmp_path / "two")
    assert _digests(again) == _digests(here)
    assert {cell["cached"] for cell in again.values()} == {True}
    # And here it is known without asking anybody.
    known, _ = _dlkm(*words, "-o", tmp_path / "known", store=tmp_path / "two")
    assert {cell["cached"] for cell in known.values()} == {True}


def _recipe(layer: Path) -> Path:
    shutil.copytree(HELLO, layer / "files" / "hello")
    path = layer / "told_1.0.bb"
    path.write_text(RECIPE)
    return path


def test_a_recipe_is_built_here(tmp_path: Path, cluster: Running, kernel_61: Kernel) -> None:
    """No worker could run it, even where all are to be built by workers."""
    remote = ("--remote", cluster.address, "--remote-fallback", "none")
    cells, _ = _dlkm(_recipe(tmp_path / "layer"), "-k", kernel_61.id, "-o", tmp_path / "out", *remote)
    assert [(cell["outcome"], cell["cached"]) for cell in cells.values()] == [("built", False)]


def test_only_what_is_missing_is_sent(tmp_path: Path, cluster: Running, kernel_61: Kernel) -> None:
    source = shutil.copytree(DRIVERS / "kdir", tmp_path / "kdir")
    words: list[str | Path] = [source, "-k", kernel_61.id, "-o", tmp_path / "out", "-v", "--remote", cluster.address]
    _dlkm(*words)
    with (source / "kdir.c").open("a") as stream:
        stream.write("/* changed */\n")
    _cells, said = _dlkm(*words)
    sent = sum(int(line.split()[1]) for line in said.splitlines() if " bytes sent of " in line)
    assert 0 < sent < 20_000, said


def test_with_the_toolchain_in_the_action(tmp_path: Path, kernel_61: Kernel) -> None:
    """Workers that have nothing at all: not even a shell."""
    words: list[str | Path] = [HELLO, DRIVERS / "warns", "-k", kernel_61.id]
    here, _ = _dlkm(*words, "-o", tmp_path / "here", "--no-cache")
    with casd(tmp_path / "casd") as service:
        remote = ("--remote", service.address, "--remote-fallback", "none")
        _cells, said = _dlkm(*words[:1], *words[2:], "-o", tmp_path / "none", *remote, status=7)
        assert "worker" in said
        there, _ = _dlkm(*words, "-o", tmp_path / "there", *remote, "--hermetic")
        assert _digests(there) == _digests(here)
        for cell in there.values():
            assert json.loads((tmp_path / "there" / cell["id"] / "build.json").read_text())["how"]["sandboxed"] is True


def test_in_a_plain_directory(tmp_path: Path, directory_worker: Fake, kernel_61: Kernel) -> None:
    """bubblewrap shows the target there as it does here; nothing is sent but what the actions name."""
    insists = shutil.copytree(DRIVERS / "kdir", tmp_path / "insists")
    (insists / "Makefile").write_text(INSISTS)
    words: list[str | Path] = [*_drivers(tmp_path), insists, "-k", kernel_61.id]
    here, _ = _dlkm(*words, "-o", tmp_path / "here", "--no-cache")
    remote = ("--remote", directory_worker.address, "--remote-fallback", "none")
    there, _ = _dlkm(*words, "-o", tmp_path / "there", *remote)
    assert _digests(there) == _digests(here)
    for cell in there.values():
        assert json.loads((tmp_path / "there" / cell["id"] / "build.json").read_text())["how"]["sandboxed"] is True
    assert len(directory_worker.executed) == len(words) - 2
    named = set().union(*(reachable(directory_worker, action) for action in directory_worker.executed))
    assert set(directory_worker.sent) <= named


def test_a_failure_is_the_same_there(tmp_path: Path, directory_worker: Fake, kernel_61: Kernel) -> None:
    words: list[str | Path] = [DRIVERS / "broken", "-k", kernel_61.id]
    here, _ = _dlkm(*words, "-o", tmp_path / "here", status=1)
    there, _ = _dlkm(*words, "-o", tmp_path / "there", "--remote", directory_worker.address, status=1)
    name = f"broken@{kernel_61.id}"
    assert there[name]["reason"] == here[name]["reason"]
    assert len(directory_worker.executed) == 1
    assert directory_worker.actions == {}


def test_what_a_worker_without_a_sandbox_cannot_do_is_done_here(
    tmp_path: Path, cluster: Running, kernel_61: Kernel
) -> None:
    insists = shutil.copytree(DRIVERS / "kdir", tmp_path / "insists")
    (insists / "Makefile").write_text(INSISTS)
    cells, said = _dlkm(insists, "-k", kernel_61.id, "-o", tmp_path / "out", "--remote", cluster.address)
    assert cells[f"insists@{kernel_61.id}"]["outcome"] == "built"
    assert "failed on a worker without a sandbox; built here instead" in said


def test_a_worker_with_another_toolchain_is_noticed(tmp_path: Path, kernel_61: Kernel) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    # The worker's sha256sum sees other files than ours.
    (tools / "sha256sum").write_text("#!/bin/sh\necho '/usr/bin/gcc-12: FAILED'\nexit 1\n")
    (tools / "sha256sum").chmod(0o755)
    (tmp_path / "worker").mkdir()
    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out"]
    with Fake(tmp_path / "worker", environment={"PATH": f"{tools}:/usr/bin:/bin"}) as fake:
        cells, said = _dlkm(*words, "--remote", fake.address)
        assert cells[f"hello@{kernel_61.id}"]["outcome"] == "built"
        assert "has another toolchain" in said
        _cells, said = _dlkm(*words, "--remote", fake.address, "--no-cache", "--remote-fallback", "none", status=7)
        assert "/usr/bin/gcc-12: FAILED" in said


def test_a_server_that_is_killed(tmp_path: Path, kernel_61: Kernel) -> None:
    source = shutil.copytree(DRIVERS / "kdir", tmp_path / "slow")
    (source / "Makefile").write_text(SLOW)
    words = [str(DLKM), "build", "--json", str(source), str(HELLO), "-k", kernel_61.id]
    for fallback, status in (("none", 7), ("local", 0)):
        with casd(tmp_path / f"casd-{fallback}", "--bind-mount=/usr:/usr") as service:
            more = ["-o", str(tmp_path / fallback), "--remote", service.address, "--remote-fallback", fallback]
            child = subprocess.Popen([*words, *more], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            deadline = time.monotonic() + 60
            while not service.runners() and time.monotonic() < deadline:
                time.sleep(0.05)
            service.kill()
            out, said = child.communicate(timeout=120)
        assert child.returncode == status, said
        assert b"Traceback" not in said
        outcomes = {cell["outcome"] for cell in json.loads(out)["cells"]}
        assert outcomes == ({"built"} if fallback == "local" else {"failed"}), said


def test_where_nobody_listens_that_is_soon_known(tmp_path: Path, kernel_61: Kernel) -> None:
    address = f"grpc://127.0.0.1:{free_port()}"
    start = time.monotonic()
    _cells, said = _dlkm(HELLO, "-k", kernel_61.id, "-o", tmp_path / "x", "--remote", address, "--no-cache")
    assert "built here instead" in said
    assert time.monotonic() - start < 60


def test_a_runner_that_is_killed(tmp_path: Path, cluster: Running, kernel_61: Kernel) -> None:
    source = shutil.copytree(DRIVERS / "kdir", tmp_path / "slow")
    (source / "Makefile").write_text(SLOW)
    more = ["-o", str(tmp_path / "out"), "--remote", cluster.address, "--remote-fallback", "none"]
    words = [str(DLKM), "build", "--json", str(source), "-k", kernel_61.id, *more]
    child = subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (found := cluster.runners()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found
    time.sleep(0.5)
    os.kill(found[0], signal.SIGKILL)
    out, said = child.communicate(timeout=120)
    assert child.returncode == 0, said
    (cell,) = json.loads(out)["cells"]
    assert (cell["outcome"], cell["cached"]) == ("built", False)


def test_an_interrupt_does_not_wait_for_the_cluster(tmp_path: Path, cluster: Running, kernel_61: Kernel) -> None:
    source = shutil.copytree(DRIVERS / "kdir", tmp_path / "slow")
    (source / "Makefile").write_text(SLOW.replace("sleep 2", "sleep 30"))
    words: list[str | Path] = [
        str(DLKM),
        "build",
        str(source),
        "-k",
        kernel_61.id,
        "-o",
        str(tmp_path / "out"),
        "--remote",
        cluster.address,
    ]
    child = subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (found := cluster.runners()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found
    child.send_signal(signal.SIGINT)
    _out, said = child.communicate(timeout=15)
    assert (child.returncode, b"Traceback" in said) == (130, False), said
    for runner in cluster.runners():
        os.kill(runner, signal.SIGKILL)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys") / "keys")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Running]:
    """BuildGrid as a cache, with TLS, client certificates and tokens."""
    with buildgrid(tmp_path_factory.mktemp("buildgrid") / "home", keys) as service:
        yield service


def test_a_shared_cache(tmp_path: Path, shared: Running, keys: Keys, kernel_61: Kernel) -> None:
    sources = [*_drivers(tmp_path), _recipe(tmp_path / "layer")]
    words: list[str | Path] = [*sources, "-k", kernel_61.id, "--remote-cache", shared.address, *keys.flags]
    first, _ = _dlkm(*words, "-o", tmp_path / "one", store=tmp_path / "store-one")
    second, said = _dlkm(*words, "-o", tmp_path / "two", store=tmp_path / "store-two")
    assert {cell["cached"] for cell in first.values()} == {False}
    assert {cell["cached"] for cell in second.values()} == {True}
    assert _digests(second) == _digests(first)
    assert "warning" not in said


def test_a_shared_cache_that_may_not_be_written(tmp_path: Path, shared: Running, keys: Keys, kernel_61: Kernel) -> None:
    closed = shared.address.replace("/main", "/closed")
    sources = [shutil.copytree(DRIVERS / name, tmp_path / name) for name in ("kver", "kernel-dir")]
    words: list[str | Path] = [*sources, "-k", kernel_61.id, "--remote-cache", closed, *keys.flags]
    cells, said = _dlkm(*words, "-o", tmp_path / "out")
    assert {cell["outcome"] for cell in cells.values()} == {"built"}
    assert said.count("is not shared") == 1, said
    cells, said = _dlkm(*words, "-o", tmp_path / "out", "--remote-read-only", store=tmp_path / "other")
    assert "is not shared" not in said


def test_who_does_not_show_who_he_is_is_not_let_in(
    tmp_path: Path, shared: Running, keys: Keys, kernel_61: Kernel
) -> None:
    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out", "--remote-cache", shared.address]
    _cells, said = _dlkm(*words, *keys.flags[:-2], status=2)
    assert "not authenticated" in said
    write_token(tmp_path / "forged", b"another secret, which the service does not know")
    _cells, said = _dlkm(*words, *keys.flags[:-1], tmp_path / "forged", status=2)
    assert "not authenticated" in said
    # Without a certificate there is no connection at all: as if nobody were there.
    cells, said = _dlkm(*words, *keys.flags[:2], *keys.flags[-2:])
    assert {cell["outcome"] for cell in cells.values()} == {"built"}
    assert "going on without it" in said
