# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done to a root after its packages were unpacked: merged /usr, files, no documentation, dpkg's database."""

import hashlib
from dataclasses import replace
from pathlib import Path

from dlkm.rootfs.minimal.record import write_record
from dlkm.rootfs.minimal.settle import DPKG_CONFIGURATION, merge_usr, settle
from dlkm.rootfs.minimal.table import Table, table
from tests.unit.kernel.deb_builder import deb

LEAST = replace(table(), copies={}, links={}, files={}, directories={})


def _write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def _settled(root: Path, like: Table) -> None:
    _write(root, "usr/share/base-passwd/passwd.master", "usr/share/base-passwd/group.master", "etc/passwd")
    settle(root, like)


def test_usr_is_merged_whatever_lies_on_both_sides(tmp_path: Path) -> None:
    root = _write(tmp_path, "bin/sh", "usr/bin/env", "lib/a/b.so", "usr/lib/a/c.so", "lib64/ld.so", "boot/x")
    merge_usr(root)
    links = {path.name: str(path.readlink()) for path in root.iterdir() if path.is_symlink()}
    assert links == {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}
    assert sorted(path.name for path in (root / "usr/lib/a").iterdir()) == ["b.so", "c.so"]
    assert (root / "bin/sh").read_text() == "bin/sh"
    assert (root / "usr/lib64/ld.so").is_file()
    merge_usr(root)
    assert (root / "usr/bin/sh").is_file()


def test_documentation_goes_and_licences_stay(tmp_path: Path) -> None:
    doc = "usr/share/doc/hello"
    root = _write(tmp_path, f"{doc}/copyright", f"{doc}/changelog.gz", "usr/share/man/man1/x.1", "usr/share/other/x")
    _settled(root, LEAST)
    assert [path.name for path in (root / doc).iterdir()] == ["copyright"]
    assert not (root / "usr/share/man/man1").exists()
    assert (root / "usr/share/other/x").is_file()
    assert "path-exclude=/usr/share/man/*\n" in (root / DPKG_CONFIGURATION).read_text()


def test_what_the_table_says_is_done(tmp_path: Path) -> None:
    like = replace(
        LEAST,
        directories={"var/mail": 0o2775},
        copies={"etc/profile": "usr/share/profile"},
        links={"var/run": "/run"},
        files={"etc/machine-id": ""},
    )
    _write(tmp_path, "usr/share/profile", "etc/machine-id")
    (tmp_path / "var/run").mkdir(parents=True)
    _settled(tmp_path, like)
    assert (tmp_path / "var/mail").stat().st_mode & 0o7777 == 0o2775
    assert (tmp_path / "etc/profile").read_text() == "usr/share/profile"
    assert str((tmp_path / "var/run").readlink()) == "/run"
    assert (tmp_path / "etc/machine-id").read_bytes() == b""


def test_dpkg_s_database_has_the_packages_as_installed(tmp_path: Path) -> None:
    package = deb(tmp_path / "hello_1_amd64.deb", {"etc/hello.conf": "x\n", "usr/bin/hello": "y\n"})
    root = _write(tmp_path / "root", "etc/hello.conf")
    write_record(root, [package])
    admin = root / "var/lib/dpkg"
    status = (admin / "status").read_text()
    assert status.startswith("Package: hello\nStatus: install ok installed\n")
    listed = (admin / "info/hello.list").read_text().splitlines()
    assert listed[0] == "/."
    assert {"/etc/hello.conf", "/usr/bin/hello"} <= set(listed)
    assert not (admin / "info/hello.control").exists()


def test_conffiles_and_triggers_are_recorded(tmp_path: Path) -> None:
    root = _write(tmp_path / "root", "etc/hello.conf")
    package = deb(tmp_path / "hello_1_amd64.deb", {"etc/hello.conf": "x\n"}, more={
        "conffiles": "/etc/hello.conf\n", "triggers": "interest-noawait /usr/lib/x\ninterest named\nactivate other\n"
    })  # fmt: skip
    write_record(root, [package])
    md5 = hashlib.md5(b"etc/hello.conf").hexdigest()
    assert (root / "var/lib/dpkg/status").read_text().endswith(f"Conffiles:\n /etc/hello.conf {md5}\n")
    triggers = root / "var/lib/dpkg/triggers"
    assert (triggers / "File").read_text() == "/usr/lib/x hello/noawait\n"
    assert (triggers / "named").read_text() == "hello\n"
    assert not (triggers / "other").exists()
