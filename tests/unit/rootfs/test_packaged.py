# SPDX-License-Identifier: GPL-2.0-or-later
"""What packages hold beside modules goes into the root with its mode, links as links, and never outside."""

import json
import stat
from pathlib import Path

import pytest

from dlkm.build.result import BuildOutcome, Cell
from dlkm.core.errors import MalformedError
from dlkm.package.package import Package, PackageFile
from dlkm.package.store import FOLDER, INDEX, write_packages
from dlkm.rootfs.apply import apply
from dlkm.rootfs.packaged import Extra, extras_of
from dlkm.rootfs.plan import Content, Plan
from dlkm.rootfs.planner import Planner
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import DirectoryRoot


def _cell(output: Path) -> Cell:
    outcome = BuildOutcome.BUILT
    return Cell(id="one@k", source=output, kernel="k", arch="x86_64", outcome=outcome, log=output / "build.log")


def _packaged(output: Path, name: str, **files: str) -> Package:
    """A package with files: the text of each by its path, '_' for '/'."""
    made = []
    for key, text in files.items():
        place = key.replace("__", ".").replace("_", "/")
        source = output / FOLDER / name / place
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        made.append(PackageFile(path=f"/{place}", mode=0o755 if place.startswith("usr/sbin") else 0o644, source=source))
    return Package(name=name, version="1", arch="all", files=tuple(made))


def _planned(root: DirectoryRoot, extras: list[Extra]) -> Plan:
    planner = Planner(root)
    for extra in extras:
        planner.write(extra.path, extra.content)
    return planner.plan()


def test_everything_but_modules_and_what_developers_need(tmp_path: Path) -> None:
    link = PackageFile(path="/etc/two", mode=0o777, link="one")
    main = _packaged(tmp_path, "one", etc_one="1\n", lib_modules_k_one__ko="", usr_sbin_tool="#!/bin/sh\n")
    with_link = Package(name="one", version="1", arch="all", files=(*main.files, link))
    packages = [with_link, _packaged(tmp_path, "one-dev", usr_include_x="x"), _packaged(tmp_path, "one-dbg", x="x")]
    write_packages(tmp_path, packages)
    extras = {extra.path: extra.content for extra in extras_of(_cell(tmp_path))}
    assert set(extras) == {"etc/one", "etc/two", "usr/sbin/tool"}
    assert (extras["etc/one"].mode, extras["usr/sbin/tool"].mode) == (0o644, 0o755)
    assert extras["etc/two"].link == "one"


def test_a_build_without_packages_brings_nothing_more(tmp_path: Path) -> None:
    assert list(extras_of(_cell(tmp_path))) == []


def test_modes_and_links_in_the_root(tmp_path: Path) -> None:
    extras = [
        Extra(path="usr/sbin/tool", content=Content.of(b"#!/bin/sh\n", 0o755)),
        Extra(path="etc/two", content=Content.to("one")),
    ]
    with DirectoryRoot(tmp_path) as root:
        apply(_planned(root, extras), root, Records(tmp_path))
        assert stat.S_IMODE((tmp_path / "usr/sbin/tool").stat().st_mode) == 0o755
        assert (tmp_path / "etc/two").readlink() == Path("one")
        assert _planned(root, extras).operations == ()


def test_a_link_in_place_of_another_and_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("elsewhere")
    (tmp_path / "b").write_text("was a file")
    with DirectoryRoot(tmp_path) as root:
        apply(
            _planned(root, [Extra(path=name, content=Content.to("here")) for name in ("a", "b")]),
            root,
            Records(tmp_path),
        )
    assert [(tmp_path / name).readlink() for name in ("a", "b")] == [Path("here"), Path("here")]


def test_another_mode_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("same")
    (tmp_path / "x").chmod(0o644)
    with DirectoryRoot(tmp_path) as root:
        apply(_planned(root, [Extra(path="x", content=Content.of(b"same", 0o600))]), root, Records(tmp_path))
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600


def test_an_index_that_leads_outside_is_refused(tmp_path: Path) -> None:
    write_packages(tmp_path, [_packaged(tmp_path, "one", etc_one="1")])
    table = json.loads((tmp_path / INDEX).read_text())
    table["packages"][0]["files"][0]["path"] = "/../x"
    (tmp_path / INDEX).write_text(json.dumps(table))
    with pytest.raises(MalformedError):
        list(extras_of(_cell(tmp_path)))
