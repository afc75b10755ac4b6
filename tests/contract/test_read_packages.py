# SPDX-License-Identifier: GPL-2.0-or-later
"""Package files that dpkg-deb and rpmbuild wrote, read as dpkg-deb and rpm read them."""

import subprocess
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.package.package import Package
from dlkm.package.reading import read_package

pytestmark = pytest.mark.contract

CONTROL = """Package: one-conf
Version: 2:1.0+git~1-2
Architecture: all
Maintainer: A <a@example.com>
Depends: kmod (>= 29), linux-image-6.1 | linux-image-6.1-unsigned
Breaks: three (<< 1)
Replaces: two (<< 1)
Provides: virtual (= 1)
Section: kernel
Homepage: https://example.com
Description: sums up
 and tells
 .
 more.
"""
SPEC = """Name: one-conf
Epoch: 2
Version: 1.0+git~1
Release: 2
Summary: sums up
License: GPL-2.0-only
URL: https://example.com
BuildArch: noarch
AutoReqProv: no
Requires: kmod >= 29
Requires: kernel-core-uname-r = 6.11.4-301.fc41.x86_64
Requires(post): kmod
Recommends: udev
Suggests: never
Conflicts: three < 1
Obsoletes: two < 1
Provides: virtual = 1
%description
and tells

more.
%install
cp -a {tree}/. %{{buildroot}}/
%post
depmod -a 6.1
%postun -p /sbin/ldconfig
%files
%dir /srv/empty
/lib
%config(noreplace) /etc/one.conf
%config /etc/two.conf
%attr(4755, root, root) /usr/sbin/tool
"""
POSTINST = "#!/bin/sh\nset -e\ndepmod -a 6.1\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in ("srv/empty", "lib/modules/6.1/updates", "etc", "usr/sbin"):
        (root / name).mkdir(parents=True)
    (root / "lib/modules/6.1/updates/one.ko").write_bytes(b"module" * 100)
    (root / "lib/modules/6.1/updates/two.ko").hardlink_to(root / "lib/modules/6.1/updates/one.ko")
    (root / "lib/modules/6.1/link").symlink_to("updates/one.ko")
    (root / "etc/one.conf").write_text("one\n")
    (root / "etc/two.conf").write_text("two\n")
    (root / "usr/sbin/tool").write_text("#!/bin/sh\n")
    (root / "usr/sbin/tool").chmod(0o4755)
    return root


def _run(*argv: str | Path) -> str:
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _holds_the_tree(package: Package, tree: Path) -> None:
    assert package.folders == ("/srv/empty",)
    for file in package.files:
        original = tree / file.path[1:]
        if file.source is None:
            assert file.link == str(original.readlink())
        else:
            assert file.source.read_bytes() == original.read_bytes()
            assert file.mode == original.stat().st_mode & 0o7777
    assert len(package.files) == len([path for path in tree.rglob("*") if path.is_symlink() or path.is_file()])


@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
def test_a_deb_of_dpkgs(tree: Path, tmp_path: Path, compression: str) -> None:
    (tree / "DEBIAN").mkdir(exist_ok=True)
    for name, text in {"control": CONTROL, "conffiles": "/etc/one.conf\n/etc/two.conf\n", "postinst": POSTINST}.items():
        (tree / "DEBIAN" / name).write_text(text)
    (tree / "DEBIAN/postinst").chmod(0o755)
    path = tmp_path / "x.deb"
    _run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", tree, path)
    for name in ("control", "conffiles", "postinst"):
        (tree / "DEBIAN" / name).unlink()
    (tree / "DEBIAN").rmdir()
    package = read_package(path, tmp_path / "out")
    asked = {"Package": package.name, "Version": package.version, "Architecture": package.arch}
    asked |= {"Depends": ", ".join(package.depends), "Replaces": ", ".join(package.replaces)}
    asked |= {"Provides": ", ".join(package.provides), "Section": package.section, "Homepage": package.homepage}
    for field, value in asked.items():
        assert value == _run("dpkg-deb", "-f", path, field).strip(), field
    assert (
        f"{package.summary}\n {package.description}".replace("\n\n", "\n.\n")
        .replace("\n", "\n ")
        .replace("\n  ", "\n ")
        == _run("dpkg-deb", "-f", path, "Description").strip()
    )
    assert package.conffiles == ("/etc/one.conf", "/etc/two.conf")
    assert package.scripts.postinst == POSTINST
    _holds_the_tree(package, tree)


@pytest.mark.parametrize("payload", ["w9.gzdio", "w6.xzdio", "w3.zstdio", "w.ufdio"])
def test_an_rpm_of_rpmbuilds(tree: Path, tmp_path: Path, payload: str) -> None:
    (tmp_path / "x.spec").write_text(SPEC.format(tree=tree))
    quiet = {"__os_install_post": "%{nil}", "_binary_payload": payload, "_topdir": str(tmp_path / "top")}
    defines = [word for name, value in quiet.items() for word in ("--define", f"{name} {value}")]
    _run("rpmbuild", "-bb", *defines, tmp_path / "x.spec")
    (path,) = (tmp_path / "top/RPMS/noarch").iterdir()
    package = read_package(path, tmp_path / "out")

    def asked(text: str) -> str:
        return _run("rpm", "-qp", "--queryformat", text, path)

    assert [package.name, package.version, package.arch] == asked("%{NAME}|%{EVR}|%{ARCH}").split("|")
    assert [package.summary, package.description, package.licence] == asked(
        "%{SUMMARY}|%{DESCRIPTION}|%{LICENSE}"
    ).split("|")
    for word, tag in {
        "depends": "requires", "provides": "provides", "conflicts": "conflicts", "replaces": "obsoletes",
        "recommends": "recommends", "suggests": "suggests",
    }.items():  # fmt: skip
        lines = [line for line in _run("rpm", "-qp", f"--{tag}", path).splitlines() if not line.startswith("rpmlib(")]
        shown = [one.replace(" (", " ").removesuffix(")") if " (" in one else one for one in getattr(package, word)]
        assert sorted(set(shown)) == sorted(lines), word
    assert package.conffiles == tuple(_run("rpm", "-qpc", path).splitlines())
    assert package.scripts.postinst == "#!/bin/sh\ndepmod -a 6.1\n"
    assert package.scripts.postrm == "#!/sbin/ldconfig\n"
    _holds_the_tree(package, tree)
