# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm stage with packages, firmware, rules and install lines: the root gets what dpkg would have put there."""

import json
import subprocess
from pathlib import Path

import pytest

from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.root import Kind
from tests.conftest import debian_root
from tests.contract.images import true
from tests.integration.test_stage_targets import _dlkm
from tests.unit.rootfs.support import RELEASE, put, snapshot, tiny

pytestmark = pytest.mark.integration

CONTROL = "Package: acme-modules\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: x\n"
SPEC = """Name: acme-modules
Version: 1
Release: 1
Summary: x
License: GPL-2.0-only
AutoReqProv: no
%description
x
%install
cp -a {tree}/. %{{buildroot}}/
%files
{files}
"""
FILES = {
    "etc/modprobe.d/acme.conf": "options acme debug=1\n",
    "lib/firmware/acme/a.fw": "firmware",
    "lib/udev/rules.d/60-acme.rules": 'KERNEL=="acme", MODE="0660"\n',
    "usr/lib/modules-load.d/acme.conf": "acme\n",
    "usr/sbin/acme-tool": "#!/bin/sh\n",
    "usr/share/acme/link": "-> ../../sbin/acme-tool",
}


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """What the package installs; a module in extra/, as many do."""
    tree = tmp_path / "payload"
    put(tree, FILES)
    tiny(tree / f"lib/modules/{RELEASE}/extra/acme", "acme", parm="debug:int")
    (tree / "usr/sbin/acme-tool").chmod(0o755)
    (tree / "var/lib/acme").mkdir(parents=True)
    return tree


def _deb(payload: Path, folder: Path, suffix: str = "deb") -> Path:
    put(payload, {"DEBIAN/control": CONTROL, "DEBIAN/conffiles": "/etc/modprobe.d/acme.conf\n",
                  "DEBIAN/postinst": "#!/bin/sh\ntouch /tmp/never\n"})  # fmt: skip
    (payload / "DEBIAN/postinst").chmod(0o755)
    path = folder / f"acme-modules.{suffix}"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", str(payload), str(path)], check=True,
                   capture_output=True)  # fmt: skip
    return path


def _rpm(payload: Path, folder: Path) -> Path:
    spec = SPEC.format(tree=payload, files="\n".join(f"/{path.name}" for path in payload.iterdir()))
    (folder / "acme.spec").write_text(spec)
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}/rpm", str(folder / "acme.spec")],
                   check=True, capture_output=True)  # fmt: skip
    return next((folder / "rpm/RPMS").rglob("*.rpm"))


def _depmods(path: str) -> bool:
    return path.rpartition("/")[2].startswith("modules.")


@pytest.mark.parametrize("form", ["deb", "ipk", "rpm"])
def test_a_package_is_installed_as_its_own_tools_do(tmp_path: Path, payload: Path, form: str) -> None:
    """The same files, modes, links and directories; on top come depmod's files."""
    package = _rpm(payload, tmp_path) if form == "rpm" else _deb(payload, tmp_path, form)
    root, authority = tmp_path / "root", tmp_path / "authority"
    for folder in (root, authority):
        put(folder, {"lib/x": "", "usr/lib/x": ""})
    done = _dlkm(tmp_path, package, "--rootfs", root, "--json")
    assert done.returncode == 0, done.stderr
    if form == "rpm":
        subprocess.run(f"rpm2cpio {package} | cpio --quiet -idm", shell=True, check=True, cwd=authority)
    else:
        subprocess.run(["dpkg-deb", "-x", str(package), str(authority)], check=True)
    found = {path: state for path, state in true(root).items() if not _depmods(path)}
    assert found == true(authority)
    (module,) = json.loads(done.stdout)["modules"]
    assert module["wins"] == module["path"] == f"lib/modules/{RELEASE}/extra/acme/acme.ko"
    assert not Path("/tmp/never").exists()
    assert json.loads(_dlkm(tmp_path, package, "--rootfs", root, "--json").stdout)["operations"] == []
    _dlkm(tmp_path, "--rootfs", root, "--undo")
    assert set(true(root)) == {"lib", "lib/x", "usr", "usr/lib", "usr/lib/x"}


def test_a_merged_usr_is_followed(tmp_path: Path, payload: Path) -> None:
    root = tmp_path / "root"
    put(root, {"usr/lib/x": "", "lib": "-> usr/lib", "sbin": "-> usr/sbin"})
    assert _dlkm(tmp_path, _deb(payload, tmp_path), "--rootfs", root).returncode == 0
    found = true(root)
    assert found["lib"] == (Kind.LINK, "usr/lib")
    for path in ("firmware/acme/a.fw", "udev/rules.d/60-acme.rules", f"modules/{RELEASE}/extra/acme/acme.ko"):
        assert f"usr/lib/{path}" in found


def test_where_usr_is_not_merged_it_goes_where_the_kernel_and_udev_look(tmp_path: Path, payload: Path) -> None:
    """A package of today's Debian, on a root of yesterday's kind."""
    (payload / "lib").rename(payload / "usr/lib/moved")
    for name in ("modules", "firmware", "udev"):
        (payload / "usr/lib/moved" / name).rename(payload / "usr/lib" / name)
    (payload / "usr/lib/moved").rmdir()
    root = tmp_path / "root"
    put(root, {"lib/x": "", "usr/lib/x": ""})
    assert _dlkm(tmp_path, _deb(payload, tmp_path), "--rootfs", root).returncode == 0
    for path in ("firmware/acme/a.fw", "udev/rules.d/60-acme.rules", f"modules/{RELEASE}/extra/acme/acme.ko"):
        assert (root / "lib" / path).is_file()
        assert not (root / "usr/lib" / path).exists()
    assert (root / "usr/lib/modules-load.d/acme.conf").is_file()


def test_a_configuration_file_that_was_changed_is_told(tmp_path: Path, payload: Path) -> None:
    root = tmp_path / "root"
    put(root, {"etc/modprobe.d/acme.conf": "options acme debug=7\n"})
    done = _dlkm(tmp_path, _deb(payload, tmp_path), "--rootfs", root)
    assert "etc/modprobe.d/acme.conf: its lines 'options acme debug=7' are replaced" in done.stderr


def test_a_package_for_another_kernel_than_the_one_asked_for(tmp_path: Path, payload: Path, kernel_61: Kernel) -> None:
    (payload / f"lib/modules/{RELEASE}").rename(payload / "lib/modules/5.10.0-1-amd64")
    root = tmp_path / "root"
    root.mkdir()
    words = (_deb(payload, tmp_path), "--rootfs", root, "-k", kernel_61.tree or "")
    done = _dlkm(tmp_path, *words)
    assert done.returncode == 2, done.stderr
    assert "has modules for 5.10.0-1-amd64, which is none of the kernels given" in done.stderr
    assert list(root.iterdir()) == []


def test_a_damaged_package_changes_nothing(tmp_path: Path, payload: Path) -> None:
    package = _deb(payload, tmp_path)
    package.write_bytes(package.read_bytes()[:900])
    root = tmp_path / "root"
    root.mkdir()
    done = _dlkm(tmp_path, package, "--rootfs", root)
    assert (done.returncode, list(root.iterdir())) == (3, [])
    assert f"dlkm: error: {package}" in done.stderr


def test_a_package_into_an_image(tmp_path: Path, payload: Path) -> None:
    put(tmp_path / "root", {"usr/lib/x": "", "lib": "-> usr/lib"})
    image = tmp_path / "root.tar"
    subprocess.run(["tar", "-cf", str(image), "-C", str(tmp_path / "root"), "."], check=True)
    data = image.read_bytes()
    assert _dlkm(tmp_path, _deb(payload, tmp_path), "--rootfs", image).returncode == 0
    listed = subprocess.run(["tar", "-tvf", str(image)], capture_output=True, text=True, check=True).stdout
    assert "-rwxr-xr-x root/root        10" in listed
    assert "./usr/lib/firmware/acme/a.fw" in listed
    assert "./usr/share/acme/link -> ../../sbin/acme-tool" in listed
    assert "./var/lib/acme/" in listed
    _dlkm(tmp_path, "--rootfs", image, "--undo")
    assert image.read_bytes() == data


@pytest.mark.parametrize(("conf_dir", "rules"), [("etc", "etc/udev/rules.d"), ("usr", "usr/lib/udev/rules.d")])
def test_firmware_rules_and_install_lines_by_name(tmp_path: Path, conf_dir: str, rules: str) -> None:
    root = tmp_path / "root"
    put(tmp_path, {"root/usr/lib/x": "", "root/lib": "-> usr/lib", "a.fw": "firmware", "b.bin": "other",
                   "60-acme.rules": "#\n"})  # fmt: skip
    module = tmp_path / "acme.ko"
    _with_firmware(module, "acme/v2/a.fw", "acme/missing.fw")
    done = _dlkm(tmp_path, module, "--rootfs", root, "--firmware", tmp_path / "a.fw",
                 "--firmware", f"{tmp_path / 'b.bin'}:acme/b-v1.bin", "--udev-rules", tmp_path / "60-acme.rules",
                 "--install", "acme /sbin/modprobe --ignore-install acme && /usr/sbin/acme-setup",
                 "--conf-dir", conf_dir, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (root / "usr/lib/firmware/acme/v2/a.fw").read_text() == "firmware"
    assert (root / "usr/lib/firmware/acme/b-v1.bin").read_text() == "other"
    assert (root / rules / "60-acme.rules").read_text() == "#\n"
    probe = "etc/modprobe.d/acme.conf" if conf_dir == "etc" else "usr/lib/modprobe.d/acme.conf"
    assert (root / probe).read_text().startswith("install acme /sbin/modprobe --ignore-install acme && ")
    document = json.loads(done.stdout)
    assert document["modules"][0]["how"] == "command"
    messages = [one["message"] for one in document["findings"] if one["rule"] == "firmware-missing"]
    assert len(messages) == 1
    assert "acme/missing.fw" in messages[0]


def _with_firmware(path: Path, *names: str) -> None:
    from tests.unit.ko.elf_builder import tiny_module

    entries = [("license", "GPL"), ("depends", ""), ("name", path.stem), ("vermagic", f"{RELEASE} SMP mod_unload ")]
    image = tiny_module(modinfo=[*entries, *(("firmware", name) for name in names)], undefined=("_printk",), exports=[])
    path.write_bytes(image.build())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--firmware", "nowhere.fw"), "cannot read nowhere.fw"),
        (("--firmware", "a.fw:../../etc/x"), "is no name below /lib/firmware"),
        (("--udev-rules", "a.fw"), "does not end in .rules"),
        (("--install", "acme"), "says nothing"),
        (("--install", "acme x\ninstall y /bin/sh"), "is not one line"),
    ],
)
def test_files_and_lines_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    put(tmp_path, {"a.fw": "x", "root/x": ""})
    monkeypatch.chdir(tmp_path)
    done = _dlkm(tmp_path, "--rootfs", tmp_path / "root", *words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert list((tmp_path / "root").iterdir()) == [tmp_path / "root/x"]


def test_the_kernel_in_the_root_itself_has_its_say(tmp_path: Path, kernel_61: Kernel) -> None:
    """Nobody named it, and the pool is empty: what lies there will refuse the module, so it is refused."""
    root = debian_root(tmp_path / "root", kernel_61)
    module = tiny(tmp_path, release=kernel_61.release).path
    before = snapshot(root)
    done = _dlkm(tmp_path, module, "--rootfs", root, "--json")
    assert done.returncode == 1, done.stderr
    (refused,) = json.loads(done.stdout)["refused"]
    assert refused["errno"] == "ENOEXEC"
    assert snapshot(root) == before
    assert _dlkm(tmp_path, module, "--rootfs", root, "--force").returncode == 0
