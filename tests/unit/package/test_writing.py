# SPDX-License-Identifier: GPL-2.0-or-later
"""Package files as they are written: whole or not at all, the same bytes each time, read back as they were meant."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.files import StorageError
from dlkm.kernel.archive import member
from dlkm.package.compression import Compression
from dlkm.package.names import Format
from dlkm.package.package import Package, PackageFile, Scripts
from dlkm.package.reading import read_package
from dlkm.package.ready import Ready, Role
from dlkm.package.stamp import Stamp
from dlkm.package.systems import System
from dlkm.package.wording import NOBODY, worded
from dlkm.package.writing import Job, write_all

STAMP = Stamp(1_000_000_000)
LONG = "word " * 40


def _package(folder: Path) -> Package:
    source = folder / "hello.ko"
    source.write_bytes(b"\x7fELF" + bytes(range(256)) * 50)
    return Package(
        name="kernel-module-hello-6.1",
        version="2:1.0+x-r0",
        arch="amd64",
        summary="hello kernel module",
        description="hello kernel module; says\n\nhello \u00e4",
        licence="GPL-2.0-only & (MIT | CLOSED)",
        section="base",
        homepage="https://example.com",
        recipe="hello",
        maintainer="A <a@example.com>",
        authors=("A", "B"),
        depends=("kmod", "linux-image-6.1 | linux-image-6.1-unsigned", "x (< 2)"),
        recommends=("fw",),
        suggests=("doc",),
        provides=("kernel-module-hello",),
        replaces=("old (<< 1)",),
        conflicts=("other",),
        files=(
            PackageFile(path="/etc/modprobe.d/hello.conf", mode=0o640, data=b"options hello a=1\n"),
            PackageFile(path="/lib/modules/6.1/updates/hello.ko", mode=0o644, source=source),
            PackageFile(path="/lib/modules/6.1/link \u00e4", mode=0o777, link="updates/hello.ko"),
            PackageFile(path="/usr/sbin/tool", mode=0o4755, data=b""),
        ),
        folders=("/srv/empty",),
        conffiles=("/etc/modprobe.d/hello.conf",),
        scripts=Scripts(postinst="#!/bin/sh\ndepmod %{x} $1\n", postrm="#!/usr/bin/perl -w\nexit 0;\n"),
    )


def _job(package: Package, form: Format, system: System = System.YOCTO, how: Compression = Compression.XZ) -> Job:
    ready = Ready(package=package, role=Role.MODULES, release="6.1", source="src")
    return Job(ready=ready, form=form, system=system, compression=how)


@pytest.mark.parametrize("how", Compression)
@pytest.mark.parametrize("form", Format)
def test_what_is_written_is_read_again(tmp_path: Path, form: Format, how: Compression) -> None:
    package = _package(tmp_path)
    (written,) = write_all([_job(package, form, how=how)], tmp_path / "out", STAMP, 1)
    read = read_package(written.path, tmp_path / "read")
    for field in ("name", "version", "arch", "summary", "description", "homepage", "conffiles", "folders"):
        assert getattr(read, field) == getattr(package, field), field
    assert [(file.path, file.mode, file.link) for file in read.files] == sorted(
        (file.path, file.mode, file.link) for file in package.files
    )
    for mine, theirs in zip(sorted(package.files, key=lambda file: file.path), read.files, strict=True):
        assert mine.read() == theirs.read()
    assert (read.scripts.postinst, read.scripts.preinst) == (package.scripts.postinst, "")
    assert read.scripts.postrm == package.scripts.postrm
    if form is not Format.RPM:
        assert read.depends == ("kmod", "linux-image-6.1 | linux-image-6.1-unsigned", "x (<< 2)")
    else:
        assert {"kmod", "(linux-image-6.1 or linux-image-6.1-unsigned)", "x (< 2)", "/bin/sh"} <= set(read.depends)
        assert f"{package.name} (= 2:1.0+x-r0)" in read.provides
    assert written.size == written.path.stat().st_size


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (Format.DEB, "kernel-module-hello-6.1_1.0+x-r0_amd64.deb"),
        (Format.IPK, "kernel-module-hello-6.1_1.0+x-r0_amd64.ipk"),
        (Format.RPM, "kernel-module-hello-6.1-1.0+x-r0.amd64.rpm"),
    ],
)
def test_the_files_are_called_as_usual_and_the_same_every_time(tmp_path: Path, form: Format, name: str) -> None:
    package = _package(tmp_path)
    (first,) = write_all([_job(package, form, System.DEBIAN)], tmp_path / "1", STAMP, 1)
    (tmp_path / "elsewhere").mkdir()
    old = os.umask(0o077)
    (second,) = write_all([_job(_package(tmp_path / "elsewhere"), form, System.DEBIAN)], tmp_path / "2", STAMP, 2)
    os.umask(old)
    assert first.path.name == name
    assert first.path.read_bytes() == second.path.read_bytes()
    (third,) = write_all([_job(package, form, System.DEBIAN)], tmp_path / "3", Stamp(0), 1)
    assert third.sha256 != first.sha256


def test_a_debian_package_says_who_holds_the_copyright(tmp_path: Path) -> None:
    (written,) = write_all([_job(_package(tmp_path), Format.DEB, System.DEBIAN)], tmp_path / "out", STAMP, 1)
    read = read_package(written.path, tmp_path / "read")
    folder = tmp_path / f"read/usr/share/doc/{read.name}"
    text = (folder / "copyright").read_text("utf-8")
    assert "Copyright (C) A\n Copyright (C) B\n" in text
    assert "License: GPL-2.0-only AND (MIT OR CLOSED)" in text or "LicenseRef-Proprietary" in text
    assert "/usr/share/common-licenses/GPL-2" in text
    assert (folder / "changelog.Debian.gz").is_file()
    assert read.section == "kernel"


def test_texts_that_checkers_want(tmp_path: Path) -> None:
    package = Package(name="hello", version="1", arch="", summary=f"Hello {LONG}", description="")
    made = worded(package)
    assert len(made.summary) <= 75
    assert made.summary.startswith("driver Hello word")
    assert all(len(line) <= 76 for line in made.description.splitlines())
    assert made.maintainer == NOBODY
    plain = worded(replace(package, name="x", summary="sum", description="sum."))
    assert (plain.summary, plain.description) == ("sum", "Packaged from what was built: sum.")
    listed = f"text {LONG}\n\n  * {LONG}"
    assert worded(replace(package, description=listed)).description.splitlines()[-1] == f"  * {LONG}".rstrip()


@pytest.mark.parametrize("form", Format)
def test_no_text_becomes_another_field(tmp_path: Path, form: Format) -> None:
    evil = "x\nEvil: 1"
    package = replace(
        _package(tmp_path), section=evil, homepage=evil, maintainer=evil, licence=evil, recipe=evil, summary=evil
    )
    (written,) = write_all([_job(replace(package, description=evil), form)], tmp_path / "out", STAMP, 1)
    read = read_package(written.path, tmp_path / "read")
    assert read.name == package.name
    if form is not Format.RPM:
        control = member(written.path, "control", 1 << 20, of="control") or b""
        assert b"\nEvil" not in control


@pytest.mark.parametrize("path", ["/a\nb", "/\x07"])
def test_a_name_that_would_be_two_lines(tmp_path: Path, path: str) -> None:
    package = replace(_package(tmp_path), files=(PackageFile(path=path, mode=0o644),))
    with pytest.raises(MalformedError, match="no name that a package can hold"):
        write_all([_job(package, Format.DEB)], tmp_path / "out", STAMP, 1)


def test_two_packages_of_one_file_name(tmp_path: Path) -> None:
    job = _job(_package(tmp_path), Format.DEB)
    with pytest.raises(UsageError, match="two packages would be the file"):
        write_all([job, job], tmp_path / "out", STAMP, 1)
    assert not (tmp_path / "out").exists()


def test_a_directory_in_the_way(tmp_path: Path) -> None:
    job = _job(_package(tmp_path), Format.DEB)
    (tmp_path / "out" / job.name).mkdir(parents=True)
    with pytest.raises(UsageError, match="is in the way"):
        write_all([job], tmp_path / "out", STAMP, 1)


def test_all_or_none(tmp_path: Path) -> None:
    package = _package(tmp_path)
    gone = replace(package, name="gone", files=(PackageFile(path="/x", mode=0o644, source=tmp_path / "gone"),))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / _job(package, Format.DEB).name).write_text("old")
    with pytest.raises(MalformedError, match="cannot be read"):
        write_all([_job(package, Format.DEB), _job(gone, Format.DEB)], tmp_path / "out", STAMP, 2)
    assert [path.read_text() for path in (tmp_path / "out").iterdir()] == ["old"]


def test_no_place_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_all([_job(_package(tmp_path), Format.DEB)], tmp_path / "file", STAMP, 1)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dlkm.package.writing.write_deb", fail)
    with pytest.raises(StorageError, match=r"out/kernel-module-hello.*\.deb: No space left"):
        write_all([_job(_package(tmp_path), Format.DEB)], tmp_path / "out", STAMP, 1)
    assert list((tmp_path / "out").iterdir()) == []
