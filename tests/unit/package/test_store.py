# SPDX-License-Identifier: GPL-2.0-or-later
"""packages.json: what is written is read again, and nothing in it leads out of its directory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.errors import MalformedError
from dlkm.package.package import Package, PackageFile, Scripts
from dlkm.package.store import FOLDER, INDEX, has_packages, read_packages, write_packages


def _written(output: Path) -> Package:
    """One package with a file and a link, as a build leaves it."""
    folder = output / FOLDER / "kernel-module-one-6.1"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/one.ko").write_bytes(b"\x7fELF")
    package = Package(
        name="kernel-module-one-6.1",
        version="1.0-r0",
        arch="qemux86_64",
        depends=("kernel-6.1", "kmod (>= 29)"),
        provides=("kernel-module-one",),
        files=(
            PackageFile(path="/lib/one.ko", mode=0o644, source=folder / "lib/one.ko"),
            PackageFile(path="/lib/link", mode=0o777, link="one.ko"),
        ),
        folders=("/srv/empty",),
        conffiles=("/etc/modules-load.d/one.conf",),
        scripts=Scripts(postinst="#!/bin/sh\ndepmod -a\n"),
    )
    write_packages(output, [package])
    return package


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    package = _written(tmp_path)
    assert has_packages(tmp_path)
    assert read_packages(tmp_path) == (package,)


def test_the_output_can_be_moved(tmp_path: Path) -> None:
    package = _written(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    (read,) = read_packages(tmp_path / "new")
    source = tmp_path / "new" / FOLDER / package.name / "lib/one.ko"
    assert read.files[0] == replace(package.files[0], source=source)


def test_a_build_without_packages_has_none(tmp_path: Path) -> None:
    assert not has_packages(tmp_path)
    assert read_packages(tmp_path) == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../x"),
        ("name", 7),
        ("version", None),
        ("files", [{"path": "/../../etc/passwd", "mode": 0o644, "link": None}]),
        ("files", [{"path": "relative", "mode": 0o644, "link": None}]),
        ("files", [{"path": "/lib/one.ko", "mode": -1, "link": None}]),
        ("files", [{"path": "/lib/gone.ko", "mode": 0o644, "link": None}]),
        ("conffiles", ["etc/x"]),
        ("depends", "kernel"),
        ("scripts", {"preinst": 1}),
        ("scripts", {"unknown": ""}),
    ],
)
def test_an_index_that_is_none(key: str, value: Any, tmp_path: Path) -> None:
    _written(tmp_path)
    table = json.loads((tmp_path / INDEX).read_text())
    table["packages"][0][key] = value
    (tmp_path / INDEX).write_text(json.dumps(table))
    with pytest.raises(MalformedError):
        read_packages(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "dlkm.packages/9", "packages": []}', "\0", "[" * 100000])
def test_any_bytes_are_refused_politely(text: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(MalformedError):
        read_packages(tmp_path)


def test_a_link_does_not_lead_out_of_the_packages(tmp_path: Path) -> None:
    _written(tmp_path)
    file = tmp_path / FOLDER / "kernel-module-one-6.1/lib/one.ko"
    file.unlink()
    file.symlink_to("/etc/passwd")
    with pytest.raises(MalformedError):
        read_packages(tmp_path)
