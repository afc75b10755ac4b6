# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages that we write, before the tools that decide: dpkg-deb, busybox, tar, rpm, rpmbuild, the shells."""

import itertools
import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.package.compression import Compression
from dlkm.package.names import Format, order
from dlkm.package.package import Package, PackageFile, Scripts
from dlkm.package.ready import Ready, Role
from dlkm.package.scripts import guarded
from dlkm.package.stamp import Stamp
from dlkm.package.systems import System
from dlkm.package.writing import Job, write_all

pytestmark = pytest.mark.contract

STAMP = Stamp(1_000_000_000)
R = "6.1.0-56-amd64"
TREE = f"lib/modules/{R}"
PACKAGE = Package(
    name=f"kernel-module-hello-{R}",
    version="2:1.0+git~1-2",
    arch="amd64",
    summary="sums up",
    description="and tells\n\nmore.",
    licence="GPL-2.0-only",
    section="kernel",
    homepage="https://example.com",
    recipe="hello",
    maintainer="A <a@example.com>",
    depends=("kmod (>= 29)", "x < 2"),
    recommends=("udev",),
    suggests=("never",),
    provides=("kernel-module-hello",),
    replaces=("two < 1",),
    conflicts=("three (= 1)",),
    files=(
        PackageFile(path="/etc/one.conf", mode=0o644, data=b"one\n"),
        PackageFile(path=f"/{TREE}/updates/hello.ko", mode=0o644, data=b"module" * 1000),
        PackageFile(path=f"/{TREE}/link", mode=0o777, link="updates/hello.ko"),
        PackageFile(path="/usr/sbin/tool", mode=0o4755, data=b"#!/bin/sh\n"),
    ),
    folders=("/srv/empty",),
    conffiles=("/etc/one.conf",),
    scripts=Scripts(postinst="#!/bin/sh\nset -e\ndepmod 100% $1\n", prerm="#!/usr/bin/perl -w\nexit 0;\n"),
)


def _run(*argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(argv, env=environment(env), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _written(folder: Path, form: Format, package: Package = PACKAGE, how: Compression = Compression.XZ) -> Path:
    ready = Ready(package=package, role=Role.MODULES, release=R, source="src")
    job = Job(ready=ready, form=form, system=System.YOCTO, compression=how)
    return write_all([job], folder, STAMP, 1)[0].path


def test_the_order_of_versions_is_dpkgs() -> None:
    versions = [
        "0",
        "1.0~~",
        "1.0~rc1",
        "1.0",
        "1.0a",
        "1.0+k6.1.0.56",
        "1.0.1",
        "1.2",
        "1.10",
        "6.12.9",
        "6.12.117+deb12",
    ]
    for one, other in itertools.combinations(versions, 2):
        argv = ["dpkg", "--compare-versions", one, "lt", other]
        told = subprocess.run(argv, check=False).returncode == 0
        assert (order(one) < order(other)) is told, (one, other)


@pytest.mark.parametrize("how", Compression)
def test_a_deb(tmp_path: Path, how: Compression) -> None:
    path = _written(tmp_path / "out", Format.DEB, how=how)
    fields = {
        "Package": PACKAGE.name, "Version": PACKAGE.version, "Architecture": "amd64", "Maintainer": PACKAGE.maintainer,
        "Depends": "kmod (>= 29), x (<< 2)", "Recommends": "udev", "Suggests": "never",
        "Provides": "kernel-module-hello", "Replaces": "two (<< 1)", "Conflicts": "three (= 1)", "Section": "kernel",
        "Priority": "optional",
        "Homepage": "https://example.com", "Description": "sums up\n and tells\n .\n more.",
    }  # fmt: skip
    for field, value in fields.items():
        assert _run("dpkg-deb", "--field", path, field).strip() == value, field
    listed = [line.split(maxsplit=5) for line in _run("dpkg-deb", "--contents", path, env={"TZ": "UTC"}).splitlines()]
    assert {words[1] for words in listed} == {"root/root"}
    assert {f"{words[3]} {words[4]}" for words in listed} == {"2001-09-09 01:46"}
    assert [words[5] for words in listed] == [
        *(
            "./",
            "./etc/",
            "./etc/one.conf",
            "./lib/",
            "./lib/modules/",
            f"./{TREE}/",
            f"./{TREE}/link -> updates/hello.ko",
        ),
        *(f"./{TREE}/updates/", f"./{TREE}/updates/hello.ko", "./srv/", "./srv/empty/", "./usr/", "./usr/sbin/"),
        "./usr/sbin/tool",
    ]
    _run("dpkg-deb", "--raw-extract", path, tmp_path / "raw")
    assert (tmp_path / "raw/usr/sbin/tool").stat().st_mode & 0o7777 == 0o4755
    assert (tmp_path / "raw/DEBIAN/conffiles").read_text() == "/etc/one.conf\n"
    assert (tmp_path / "raw/DEBIAN/postinst").read_text() == PACKAGE.scripts.postinst
    assert os.access(tmp_path / "raw/DEBIAN/postinst", os.X_OK)
    _run("md5sum", "--check", "--strict", "DEBIAN/md5sums", cwd=tmp_path / "raw")
    rebuilt = tmp_path / "rebuilt.deb"
    _run("dpkg-deb", "--root-owner-group", "--build", tmp_path / "raw", rebuilt)  # dpkg-deb finds nothing wrong with it
    assert _run("dpkg-deb", "--contents", rebuilt).count("\n") == len(listed)


@pytest.mark.parametrize("how", Compression)
def test_an_ipk_before_readers_that_are_not_ours(tmp_path: Path, how: Compression) -> None:
    path = _written(tmp_path / "out", Format.IPK, how=how)
    members = _run("ar", "t", path).split()
    assert members == ["debian-binary", "control.tar.gz", f"data.tar.{how}"]  # what opkg-build makes
    _run("ar", "x", path, cwd=tmp_path)
    control = _run("tar", "-xOf", "control.tar.gz", "./control", cwd=tmp_path)
    assert "License: GPL-2.0-only\n" in control
    assert "OE: hello\n" in control
    assert "Depends: kmod (>= 29), x (<< 2)\n" in control
    assert _run("tar", "-xOf", "control.tar.gz", "./conffiles", cwd=tmp_path) == "/etc/one.conf\n"
    assert _run("bsdtar", "-xOf", "control.tar.gz", "./postinst", cwd=tmp_path) == PACKAGE.scripts.postinst
    scripts = [line.split() for line in _run("tar", "-tvf", "control.tar.gz", cwd=tmp_path).splitlines()]
    assert {words[5]: words[0] for words in scripts}["./postinst"] == "-rwxr-xr-x"
    listed = [line.split(maxsplit=5) for line in _run("tar", "-tvf", f"data.tar.{how}", cwd=tmp_path).splitlines()]
    assert {words[1] for words in listed} == {"root/root"}
    assert {words[5]: words[0] for words in listed if not words[0].startswith("d")} == {
        "./etc/one.conf": "-rw-r--r--",
        f"./{TREE}/updates/hello.ko": "-rw-r--r--",
        f"./{TREE}/link -> updates/hello.ko": "lrwxrwxrwx",
        "./usr/sbin/tool": "-rwsr-xr-x",
    }
    (tmp_path / "whole").mkdir()
    _run("bsdtar", "-xf", f"data.tar.{how}", "-C", "whole", cwd=tmp_path)
    _run("dpkg-deb", "-x", path, tmp_path / "by-dpkg")
    for file in PACKAGE.files:
        for there in ("whole", "by-dpkg"):
            found = tmp_path / f"{there}{file.path}"
            assert (found.readlink().name == "hello.ko") if file.link else (found.read_bytes() == file.data)
    assert _run("dpkg-deb", "--field", path, "Version").strip() == PACKAGE.version
    if how is not Compression.ZST:  # which this busybox does not know
        (tmp_path / "there").mkdir()
        _run("busybox", "dpkg-deb", "-x", path.absolute(), "there", cwd=tmp_path)
        assert (tmp_path / f"there/{TREE}/updates/hello.ko").read_bytes() == b"module" * 1000
        assert "kernel-module-hello" in _run("busybox", "dpkg-deb", "-f", path)


SPEC = f"""Name: {PACKAGE.name}
Epoch: 2
Version: 1.0+git~1
Release: 2
Summary: sums up
License: GPL-2.0-only
Group: kernel
Packager: A <a@example.com>
URL: https://example.com
AutoReqProv: no
Requires: kmod >= 29
Requires: x < 2
Recommends: udev
Suggests: never
Provides: kernel-module-hello
Obsoletes: two < 1
Conflicts: three = 1
%description
and tells

more.
%install
cp -a @TREE@/. %{{buildroot}}/
%post
set -e
depmod 100%% $1
%preun -p "/usr/bin/perl -w"
exit 0;
%files
%dir /srv/empty
/{TREE}
%config(noreplace) /etc/one.conf
%attr(4755, root, root) /usr/sbin/tool
%changelog
* Sun Sep 09 2001 A <a@example.com> - 2:1.0+git~1-2
- Packaged from what was built.
"""
# Tags that must differ: who built, with what, from what, and digests over all that.
OTHERWISE = frozenset({
    "Buildhost", "Buildtime", "Rpmversion", "Optflags", "Sourcerpm", "Cookie", "Payloadflags", "Payloaddigest",
    "Platform", "Payloaddigestalt", "Sha1header", "Sha256header", "Sigmd5", "Sigsize", "Longsigsize", "Longarchivesize",
    "Archivesize",
    "Filedevices", "Fileinodes", "Filecolors", "Fileclass", "Classdict", "Filedependsx", "Filedependsn", "Filemtimes",
    "Changelogtime", "Filecaps", "Provideflags", "Providename", "Provideversion", "Requirename", "Requireflags",
    "Requireversion", "Payloadcompressor", "Prereq", "Headerimmutable", "Size", "Filesizes",
})  # fmt: skip


def _tags(path: Path) -> dict[str, list[str]]:
    root = ET.fromstring(_run("rpm", "--query", "--package", "--xml", path))
    return {str(tag.get("name")): [str(value.text or "") for value in tag] for tag in root.iter("rpmTag")}


def test_the_header_is_rpmbuilds(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for file in PACKAGE.files:
        place = tree / file.path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.link is not None:
            place.symlink_to(file.link)
        else:
            place.write_bytes(file.data)
            place.chmod(file.mode)
    (tree / "srv/empty").mkdir(parents=True)
    (tmp_path / "x.spec").write_text(SPEC.replace("@TREE@", str(tree)))
    defines = {"_topdir": str(tmp_path), "__os_install_post": "%{nil}", "debug_package": "%{nil}"}
    words = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
    _run("rpmbuild", "-bb", "--target", "x86_64-linux", *words, tmp_path / "x.spec")
    (theirs,) = (tmp_path / "RPMS/x86_64").iterdir()
    # rpm lists a directory that a package names with all that is in it: ours owns only what it says.
    owned = replace(PACKAGE, arch="x86_64", folders=("/srv/empty", f"/{TREE}", f"/{TREE}/updates"))
    ours = _written(tmp_path / "out", Format.RPM, owned)
    assert ours.name == theirs.name
    mine, wanted = _tags(ours), _tags(theirs)
    assert {name: mine.get(name) for name in wanted if name not in OTHERWISE} == {
        name: value for name, value in wanted.items() if name not in OTHERWISE
    }
    for words in (["--requires"], ["--provides"], ["--list"], ["--configfiles"], ["--scripts"], ["--changelog"]):
        asked = [set(_run("rpm", "--query", "--package", *words, path).splitlines()) for path in (ours, theirs)]
        left = {line for line in asked[1] - asked[0] if "(x86-64)" not in line}
        assert (left, {line for line in asked[0] - asked[1] if "rpmlib(PayloadIsXz)" not in line}) == (set(), set()), (
            words
        )


@pytest.mark.parametrize("how", Compression)
def test_an_rpm_holds_before_rpm(tmp_path: Path, how: Compression) -> None:
    path = _written(tmp_path / "out", Format.RPM, replace(PACKAGE, arch="x86_64"), how)
    told = _run("rpm", "--checksig", "--verbose", path)
    assert told.count("OK") >= 4
    assert "NOT OK" not in told
    listed = subprocess.run(f"rpm2cpio {path} | bsdtar -tf -", shell=True, check=True, capture_output=True, text=True)
    assert listed.stdout.splitlines() == [
        *("./etc/one.conf", f"./{TREE}/link", f"./{TREE}/updates", f"./{TREE}/updates/hello.ko", "./srv/empty"),
        "./usr/sbin/tool",
    ]
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 0xFF
    path.write_bytes(damaged)
    assert subprocess.run(["rpm", "--checksig", path], check=False, capture_output=True).returncode != 0


SHELLS = (["dash"], ["bash", "--posix"])  # busybox has a depmod of its own, which it prefers to any program
SCRIPT = '#!/bin/sh\nset -e\ndepmod -a ${D:+-b "$D"} ' + R + "\nmodprobe hello\n"


class Script:
    """A guarded script, with programs that write down how they are called."""

    def __init__(self, folder: Path, shell: Sequence[str], release: str) -> None:
        self.folder, self.shell = folder, shell
        self.tree = folder / "root" / TREE
        (folder / "bin").mkdir()
        self.log = folder / "log"
        for name in ("depmod", "modprobe"):
            self._program(name, f'echo {name} "$@" >> {self.log}\n')
        self._program("uname", f"echo {release}\n")

    def _program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    def run(self, form: Format, env: Mapping[str, str], prefix: Sequence[str] = (), said: str = "") -> list[str]:
        """What was called; `said` is what an administrator is told."""
        self.log.unlink(missing_ok=True)
        text = guarded(Scripts(postinst=SCRIPT), R, form).postinst
        (self.folder / "script").write_text(text)
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        argv = [*prefix, *self.shell, str(self.folder / "script"), "configure"]
        done = subprocess.run(argv, env={"PATH": path, **env}, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, said)
        return self.log.read_text().splitlines() if self.log.exists() else []


def _system(folder: Path, root: str = "") -> list[str]:
    """bwrap's words for a root with the programs of this machine and a modules directory for R."""
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tree/modules.order").write_text("")
    libraries = [path for path in Path("/usr/lib").glob("*-linux-gnu*") if path.is_dir()]  # /lib itself is the target's
    return [
        *(word for path in libraries for word in ("--ro-bind", str(path), f"{root}/lib/{path.name}")),
        *("--ro-bind", "/usr", f"{root}/usr", "--symlink", "usr/bin", f"{root}/bin"),
        *("--symlink", "usr/lib64", f"{root}/lib64", "--proc", f"{root}/proc", "--dev", f"{root}/dev"),
        *("--bind", str(folder), f"{root}{folder}", "--bind", str(folder / "tree"), f"{root}/{TREE}"),
    ]


def _running(folder: Path, *more: str) -> list[str]:
    """A running system: its process 1 has the root that all have."""
    capable = ("--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "CAP_SYS_CHROOT")
    return ["bwrap", "--unshare-pid", *capable, "--tmpfs", "/", *_system(folder), *more, "--chdir", "/", "--"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_modules_are_loaded_on_the_target_alone(tmp_path: Path, shell: Sequence[str]) -> None:
    script = Script(tmp_path, shell, R)
    script.tree.mkdir(parents=True)
    (script.tree / "modules.order").write_text("")
    root = str(tmp_path / "root")
    there = [f"depmod -a -b {root} {R}"]
    assert script.run(Format.DEB, {"DPKG_ROOT": root}) == there
    assert script.run(Format.IPK, {"D": root}) == there
    assert script.run(Format.IPK, {"IPKG_INSTROOT": root}) == there
    here = [f"depmod -a {R}"]
    for form in Format:
        assert script.run(form, {}, _running(tmp_path)) == [*here, "modprobe hello"], form
    for form in (Format.DEB, Format.RPM):  # to them, a variable of the administrator's own means nothing
        assert script.run(form, {"D": root}, _running(tmp_path)) == [*here, "modprobe hello"]
    chroot = [*_running(tmp_path, *_system(tmp_path, "/jail")), "chroot", "/jail"]
    assert script.run(Format.DEB, {}, chroot) == here
    container = _running(tmp_path, "--dir", "/run/systemd/container")
    assert script.run(Format.DEB, {}, container) == here
    blind = _running(tmp_path, "--tmpfs", "/proc")
    assert script.run(Format.DEB, {}, blind) == here


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_no_module_is_loaded_into_another_kernel(tmp_path: Path, shell: Sequence[str]) -> None:
    script = Script(tmp_path, shell, "6.1.0-57-amd64")
    assert script.run(Format.DEB, {}, _running(tmp_path)) == [f"depmod -a {R}"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_index_goes_with_the_last_module_of_a_kernel_that_is_gone(tmp_path: Path, shell: Sequence[str]) -> None:
    script = Script(tmp_path, shell, R)
    env = {"DPKG_ROOT": str(tmp_path / "root")}
    assert script.run(Format.DEB, env) == []  # no directory at all
    (script.tree / "updates").mkdir(parents=True)
    for name in ("modules.dep", "modules.dep.bin"):
        (script.tree / name).write_text("")
    (script.tree / "updates/other.ko.xz").write_text("")
    assert len(script.run(Format.DEB, env)) == 1  # another's module is there
    (script.tree / "updates/other.ko.xz").unlink()
    assert script.run(Format.DEB, env) == []
    assert not script.tree.exists()


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_depmod_that_fails_and_none_at_all(tmp_path: Path, shell: Sequence[str]) -> None:
    script = Script(tmp_path, shell, R)
    script.tree.mkdir(parents=True)
    (script.tree / "modules.order").write_text("")
    env = {"DPKG_ROOT": str(tmp_path / "root")}
    (tmp_path / "bin/depmod").unlink()
    none = f"no depmod here: modules of {R} are found once it was run\n"
    hidden = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--tmpfs", "/usr/sbin"]
    assert script.run(Format.DEB, env, hidden, said=none) == []
    script._program("depmod", "exit 3\n")
    with pytest.raises(AssertionError, match="3, ''"):
        script.run(Format.DEB, env)


@pytest.mark.parametrize("but", [{"busybox"}, {"busybox", "depmod"}], ids=["depmod", "no depmod"])
def test_rpm_in_a_root_with_busybox_alone(tmp_path: Path, but: set[str]) -> None:
    """Its shell says of every applet that it is there; without /proc only those with a link can be started."""
    root = tmp_path / "root"
    for folder in ("bin", "var/lib/rpm", "dev", TREE):
        (root / folder).mkdir(parents=True)
    (root / "bin/busybox").write_bytes(Path("/usr/bin/busybox").read_bytes())
    (root / "bin/busybox").chmod(0o755)
    for applet in set(_run("busybox", "--list").split()) - but:
        (root / "bin" / applet).symlink_to("busybox")
    (root / TREE / "modules.order").write_text("")
    scripts = guarded(Scripts(postinst="#!/bin/sh\nset -e\ndepmod -a " + R + "\n"), R, Format.RPM)
    files = tuple(one for one in PACKAGE.files if one.path.endswith("hello.ko"))
    path = _written(tmp_path, Format.RPM, replace(PACKAGE, files=files, conffiles=(), scripts=scripts))
    as_root = () if os.geteuid() == 0 else ("unshare", "--map-root-user")
    argv = [*as_root, "rpm", f"--root={root}", "--dbpath", "/var/lib/rpm", "--install", "--nodeps", path]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "scriptlet failed" not in done.stderr
    assert ("no depmod here" in done.stderr) is ("depmod" in but)
    assert (root / TREE / "modules.dep").exists() is ("depmod" not in but)
