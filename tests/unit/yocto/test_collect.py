# SPDX-License-Identifier: GPL-2.0-or-later
"""What tasks leave is taken over only from their own directory, whatever they write into their list."""

import json
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.errors import WorkerLostError
from dlkm.package.store import FOLDER
from dlkm.yocto.collect import packages_in, place_outside
from dlkm.yocto.preset import WORK

FACTS = {"WORKDIR": f"{WORK}/w", "PKGDEST": f"{WORK}/w/split"}


def _entry(**changes: Any) -> dict[str, Any]:
    words = ("summary", "description", "licence", "section", "homepage", "maintainer")
    relations = ("RDEPENDS", "RRECOMMENDS", "RSUGGESTS", "RPROVIDES", "RREPLACES", "RCONFLICTS")
    entry: dict[str, Any] = dict.fromkeys(words, "") | {name: [] for name in relations}
    entry |= {
        "key": "one",
        "name": "one",
        "version": "1-r0",
        "arch": "all",
        "files": [],
        "folders": [],
        "conffiles": [],
    }
    return entry | {"scripts": {}} | changes


def _left(scratch: Path, *entries: dict[str, Any]) -> None:
    folder = scratch / "w/split/one/etc"
    folder.mkdir(parents=True)
    (folder / "one.conf").write_text("one\n")
    (scratch / "w/dlkm-packages.json").write_text(json.dumps(entries))


def test_a_package_is_taken_over(tmp_path: Path) -> None:
    scratch, output = tmp_path / "scratch", tmp_path / "out"
    _left(
        scratch,
        _entry(
            files=[{"path": "/etc/one.conf", "mode": 0o4644, "link": None}],
            folders=["srv/x"],
            RDEPENDS=["kernel-6.1"],
            scripts={"postinst": "#!/bin/sh\n"},
        ),
    )
    (package,) = packages_in(FACTS, scratch, output, "recipe")
    (file,) = package.files
    assert (file.path, file.mode) == ("/etc/one.conf", 0o4644)
    assert file.source == output / FOLDER / "one/etc/one.conf"
    assert file.source.read_text() == "one\n"
    assert (output / FOLDER / "one/srv/x").is_dir()
    assert (package.depends, package.recipe, package.scripts.postinst) == (("kernel-6.1",), "recipe", "#!/bin/sh\n")


def test_without_packages_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    assert packages_in(FACTS, tmp_path, tmp_path / "out", "recipe") == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "../../x"},
        {"name": "a/b"},
        {"name": ""},
        {"files": [{"path": "/../../../etc/passwd", "mode": 0o644, "link": None}]},
        {"folders": ["../x"]},
        {"folders": ["/x"]},
        {"files": None},
        {"scripts": {"exec": ""}},
    ],
)
def test_a_list_that_leads_elsewhere_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    _left(tmp_path / "scratch", _entry(**changes))
    with pytest.raises(WorkerLostError):
        packages_in(FACTS, tmp_path / "scratch", tmp_path / "out", "recipe")


def test_a_link_in_place_of_a_file_or_directory_is_refused(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    _left(scratch, _entry(files=[{"path": "/etc/secret", "mode": 0o644, "link": None}]))
    (tmp_path / "secret").write_text("mine")
    (scratch / "w/split/one/etc/secret").symlink_to(tmp_path / "secret")
    with pytest.raises(WorkerLostError):
        packages_in(FACTS, scratch, tmp_path / "out", "recipe")
    (scratch / "w/split/one/etc/secret").unlink()
    (scratch / "w/split/one/etc/one.conf").unlink()
    (scratch / "w/split/one/etc").rmdir()
    (scratch / "w/split/one/etc").symlink_to(tmp_path)
    with pytest.raises(WorkerLostError):
        packages_in(FACTS, scratch, tmp_path / "out", "recipe")


@pytest.mark.parametrize("path", ["/etc", "relative", f"{WORK}/../../etc", f"{WORK}/link/x"])
def test_places_outside_the_work_directory(path: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(WorkerLostError):
        place_outside(path, tmp_path)
