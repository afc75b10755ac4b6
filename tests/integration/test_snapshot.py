# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of a target that boots: by ssh over the loopback address, and by the script in two shells."""

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.snapshot import Snapshot, script

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
HELLO = Path(__file__).parents[2] / "examples/hello"
DEADLINE = 120.0

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mount -t securityfs securityfs /sys/kernel/security
mkdir -p /run/sshd /dev/pts
insmod /net/e1000.ko; insmod /net/dummy.ko
ifconfig lo up; ifconfig eth0 10.0.2.15 up
/usr/sbin/sshd -D -e -f /etc/sshd_config &
sleep 600; poweroff -f
"""
SSHD = """Port {port}
ListenAddress {address}
HostKey {keys}/host
AuthorizedKeysFile {keys}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
"""
SSH = """Host *
  IdentityFile {keys}/key
  IdentitiesOnly yes
  UserKnownHostsFile {keys}/known
  StrictHostKeyChecking accept-new
"""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _dlkm(*words: object, cache: Path | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
    env = environment({"XDG_CACHE_HOME": str(cache)} if cache is not None else {})
    command = [str(word) for word in (DLKM, *words)]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "config").write_text(SSH.format(keys=folder))
    return folder


@pytest.fixture(scope="module")
def guest(kernel_61: Kernel, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A booted 6.1 with busybox and this machine's own sshd; the port that leads to it."""
    folder = tmp_path_factory.mktemp("guest")
    initrd = folder / "initrd.gz"
    _initramfs(kernel_61, keys, folder / "root", initrd)
    port = _free_port()
    command = [
        *("qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "512", "-smp", "2"),
        *("-display", "none", "-serial", f"file:{folder}/console", "-no-reboot", "-nodefaults"),
        *("-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "e1000,netdev=n"),
        *("-kernel", str(kernel_61.image), "-initrd", str(initrd)),
        *("-append", "console=ttyS0 panic=-1 lockdown=integrity rdinit=/init"),
    ]
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _wait_for_sshd(port, qemu, folder / "console")
        yield port
    finally:
        qemu.kill()
        qemu.wait()


def _wait_for_sshd(port: int, qemu: "subprocess.Popen[bytes]", console: Path) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        assert qemu.poll() is None, console.read_text("utf-8", "replace")[-2000:]
        with socket.socket() as one:
            one.settimeout(2)
            try:
                one.connect(("127.0.0.1", port))
                if one.recv(4) == b"SSH-":
                    return
            except OSError:
                pass
        time.sleep(0.5)
    pytest.fail(console.read_text("utf-8", "replace")[-2000:])


def _initramfs(kernel: Kernel, keys: Path, root: Path, initrd: Path) -> None:
    assert kernel.modules is not None
    assert kernel.image is not None
    release = kernel.release
    for name in ("bin", "usr/sbin", "etc", "proc", "sys", "dev", "root", "net", "boot", "tmp", "lib/x86_64-linux-gnu"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "lib64").symlink_to("lib/x86_64-linux-gnu")
    shutil.copy(shutil.which("busybox") or "", root / "bin/busybox")
    # Since OpenSSH 9.8 it is several programs.
    for program in ("/usr/sbin/sshd", *map(str, Path("/usr/lib/openssh").glob("sshd-*"))):
        (root / program[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, root / program[1:])
        for line in subprocess.check_output(["ldd", program], text=True).splitlines():
            path = next((word for word in line.split() if word.startswith("/")), None)
            if path is not None:
                shutil.copy(path, root / "lib/x86_64-linux-gnu")
    modules = root / "lib/modules" / release
    shutil.copytree(kernel.modules, modules, symlinks=True, ignore=_only_some)
    for name in ("ethernet/intel/e1000/e1000.ko", "dummy.ko"):
        shutil.copy(kernel.modules / "kernel/drivers/net" / name, root / "net")
    shutil.copy(kernel.image, root / f"boot/vmlinuz-{release}")
    assert kernel.config_file is not None
    shutil.copy(kernel.config_file, root / f"boot/config-{release}")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n")
    (root / "etc/passwd").write_text((root / "etc/passwd").read_text() + "user:x:1000:1000::/tmp:/bin/sh\n")
    (root / "etc/shells").write_text("/bin/sh\n")
    (root / "bin/sh").symlink_to("busybox")
    (root / "etc/sshd_config").write_text(SSHD.format(port=22, address="0.0.0.0", keys="/etc"))
    for name in ("host", "key.pub"):
        shutil.copy(keys / name, root / "etc")
    (root / "etc/host").chmod(0o600)
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    listing = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
    packed = subprocess.run(
        ["bsdtar", "-cf", "-", "--format", "newc", "--uid", "0", "--gid", "0", "-n", "-T", "-"],
        cwd=root, input=listing, capture_output=True, check=True,
    ).stdout  # fmt: skip
    initrd.write_bytes(gzip.compress(packed, 1))


def _only_some(folder: str, names: list[str]) -> set[str]:
    """Lists and the modules of one directory: enough for a target."""
    return {name for name in names if name.endswith((".ko", ".bin")) and not folder.endswith("/kernel/fs/ext4")} - {
        "aesni-intel.ko"
    }


@pytest.mark.parametrize("user", ["root", "user"])
def test_a_booted_guest_over_ssh(guest: int, keys: Path, kernel_61: Kernel, tmp_path: Path, user: str) -> None:
    target = f"ssh://{user}@127.0.0.1:{guest}"
    words = ("kernel", "snapshot", target, "--ssh-config", keys / "config", "-o", tmp_path / "s")
    status, out, err = _dlkm(*words)
    assert status == 0, err
    assert out == f"snapshot:{tmp_path / 's'}\n"
    taken = Snapshot.read(tmp_path / "s")
    assert kernel_61.image is not None
    assert taken.entries["image"] == kernel_61.image.read_bytes()
    assert len(taken.entries["btf"]) > 1 << 20
    assert "integrity" in (taken.text("lockdown") or "")
    assert "dummy" in (taken.text("modules") or "")
    assert "T _printk" in (taken.text("kallsyms") or "").splitlines()
    assert _dlkm("build", HELLO, "-k", kernel_61.id, "-o", tmp_path / "out")[0] == 0
    module = tmp_path / f"out/hello@{kernel_61.id}/hello.ko"
    verdict = ("check", module, "-k", f"snapshot:{tmp_path / 's'}", "--json")
    status, out, err = _dlkm(*verdict, cache=tmp_path / "cache")
    (result,) = json.loads(out)["results"]
    assert (status, result["outcome"], result["errno"]) == (1, "fails", "EPERM"), "the guest is locked down"
    status, out, err = _dlkm(*verdict, "--lockdown", "none", cache=tmp_path / "cache")
    (result,) = json.loads(out)["results"]
    assert (status, result["outcome"]) == (0, "loads"), err
    shown = json.loads(_dlkm("kernel", "show", f"snapshot:{tmp_path / 's'}", "--json", cache=tmp_path / "cache")[1])
    assert shown["kernel"]["vermagic"] == kernel_61.vermagic
    assert shown["kernel"]["config"]["MODVERSIONS"] == "y"


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "ash"]])
def test_the_script_in_other_shells_changes_nothing(shell: list[str], tmp_path: Path) -> None:
    """The whole machine is read-only but for the pipe; busybox's own programs come first for its shell."""
    (tmp_path / "s.sh").write_text(script())
    tools = tmp_path / "bin"
    tools.mkdir()
    if shell[0] == "busybox":
        subprocess.run(["busybox", "--install", "-s", tools], check=True)
    hidden = [
        "bwrap",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--unshare-net",
        "--setenv",
        "PATH",
        f"{tools}:/usr/bin:/bin",
    ]
    done = subprocess.run([*hidden, *shell, tmp_path / "s.sh"], capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    (tmp_path / "s").write_bytes(done.stdout)
    taken = Snapshot.read(tmp_path / "s")
    assert taken.release == os.uname().release
    assert {"machine", "version", "cmdline", "files", "loaded"} <= taken.entries.keys()


def test_busybox_alone_and_any_user_are_enough(kernel_61: Kernel, tmp_path: Path) -> None:
    """A root of busybox and one module, without depmod's lists, for a user who owns nothing."""
    root = tmp_path / "root"
    folder = root / "lib/modules" / os.uname().release / "kernel/drivers/net"
    for place in (folder, root / "bin", root / "proc", root / "dev"):
        place.mkdir(parents=True)
    assert kernel_61.modules is not None
    shutil.copy(kernel_61.modules / "kernel/drivers/net/dummy.ko", folder)
    (root / "s.sh").write_text(script())
    shutil.copy(shutil.which("busybox") or "", root / "bin/bb")
    for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        (root / "bin" / applet).symlink_to("bb")
    enter = [
        "bwrap",
        "--ro-bind",
        str(root),
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--unshare-user",
        "--uid",
        "1000",
    ]
    done = subprocess.run([*enter, "/bin/sh", "/s.sh"], capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    (tmp_path / "s").write_bytes(done.stdout)
    taken = Snapshot.read(tmp_path / "s")
    assert taken.entries["module/kernel/drivers/net/dummy.ko"] == (folder / "dummy.ko").read_bytes()
    assert taken.text("files") == "./kernel/drivers/net/dummy.ko"


def test_ssh_that_fails_says_why(keys: Path, tmp_path: Path) -> None:
    port = _free_port()
    words = ("kernel", "snapshot", f"ssh://127.0.0.1:{port}", "--ssh-config", keys / "config")
    status, _, err = _dlkm(*words, cwd=tmp_path)
    assert (status, "Connection refused" in err) == (5, True), err
    assert list(tmp_path.iterdir()) == []
    assert _dlkm("kernel", "snapshot")[0] == _dlkm("kernel", "snapshot", "--script", "ssh://x")[0] == 2
    assert _dlkm("kernel", "snapshot", "--script")[1] == script()
