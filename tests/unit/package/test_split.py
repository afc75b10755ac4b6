# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules into packages as Yocto splits them, and what their sources say of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.core.errors import UsageError
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import read_module
from dlkm.package.lot import Asked
from dlkm.package.package import Package
from dlkm.package.split import Place, driver_version, is_address, split
from tests.unit.package.support import AUTHOR, R, driver, module

DEPMOD = f'#!/bin/sh\nset -e\nif [ -z "$D" ]; then\n\tdepmod -a {R}\nelse\n\tdepmod -a -b "$D" {R}\nfi\n'


def test_a_package_for_each_module_and_one_for_all(tmp_path: Path) -> None:
    front = module(
        tmp_path, "pair_front", file="pair-front.ko", depends="pair_back,cfg80211", more=[("version", "v1.2")]
    )
    back = module(tmp_path, "pair_back", more=[("version", "1.10"), ("license", "GPL")])
    first, second, meta = split("Pair", None, [front, back], Place(release=R), Asked())
    assert first.name == f"kernel-module-pair-front-{R}"
    assert first.depends == (
        f"kernel-{R}",
        f"kernel-module-pair-back-{R} (= 1.10-1)",
        f"kernel-module-cfg80211-{R}",
    )
    assert first.provides == ("kernel-module-pair-front",)
    assert [file.path for file in first.files] == [f"/lib/modules/{R}/updates/pair-front.ko"]
    assert (first.summary, first.description) == ("pair-front kernel module", "pair-front kernel module; Says hello")
    assert (first.licence, first.maintainer, first.authors) == ("GPL-2.0-only", AUTHOR, (AUTHOR,))
    assert first.scripts.postinst == first.scripts.postrm == DEPMOD
    assert second.depends == (f"kernel-{R}",)
    assert (meta.name, meta.version, meta.files) == ("pair-modules", "1.10-1", ())
    assert meta.depends == (f"{first.name} (= 1.10-1)", f"{second.name} (= 1.10-1)")


def test_where_the_kernels_package_has_its_own(tmp_path: Path) -> None:
    kernel = Kernel(id=R, release=R, arch=arch_named("amd64"), origin="", tree=tmp_path)
    for modules, tree in ((None, "/lib"), (f"lib/modules/{R}", "/lib"), (f"usr/lib/modules/{R}", "/usr/lib")):
        there = replace(kernel, modules=tmp_path / modules if modules else None)
        assert Place.of(R, there).tree == f"{tree}/modules"
    made = split("x", None, [module(tmp_path)], Place(release=R, tree="/usr/lib/modules"), Asked())
    assert made[0].files[0].path == f"/usr/lib/modules/{R}/updates/hello.ko"


def test_what_is_no_utf_8_becomes_it(tmp_path: Path) -> None:
    path = module(tmp_path).path
    path.write_bytes(path.read_bytes().replace(b"Says hello", b"Says h\xe9llo"))
    made = split("x", None, [read_module(path)], Place(release=R), Asked())
    assert made[0].description == "hello kernel module; Says h\ufffdllo"


def test_names_that_become_one_share_a_package(tmp_path: Path) -> None:
    made = split(
        "x", None, [module(tmp_path, "a_b"), module(tmp_path, "a_b", file="a-b.ko")], Place(release=R), Asked()
    )
    assert [package.name for package in made] == [f"kernel-module-a-b-{R}", "x-modules"]
    assert len(made[0].files) == 2


def test_two_files_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="several modules of one name"):
        split("x", None, [module(tmp_path / "1"), module(tmp_path / "2")], Place(release=R), Asked())


def test_a_name_that_no_package_can_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none that a package can hold"):
        split("x", None, [module(tmp_path, file="a\nb.ko")], Place(release=R), Asked())


def test_what_is_asked_for_wins(tmp_path: Path) -> None:
    asked = Asked(name="mine", version="9", revision="3", epoch="2", maintainer="Me <me@example.org>")
    lot = driver(tmp_path, asked=asked, names=("a", "b"), depends="a")
    one, other, meta = lot.packages
    assert [package.version for package in lot.packages] == ["2:9-3"] * 3
    assert {package.maintainer for package in lot.packages} == {"Me <me@example.org>"}
    assert meta.name == "mine"
    assert meta.depends == (f"{one.name} (= 2:9-3)", f"{other.name} (= 2:9-3)")
    assert f"{one.name} (= 2:9-3)" in other.depends


def test_versions_of_a_recipe_follow_too() -> None:
    packages = [
        Package(name="a", version="1:1.0-r0", arch="all"),
        Package(name="b", version="1:1.0-r0", arch="all", depends=("a (= 1:1.0-r0)", "a (>= 1.0)", "c (= 1:1.0-r0)")),
    ]
    _, second = Asked(version="2", revision="r7").restated(packages)
    assert (second.version, second.depends) == ("1:2-r7", ("a (= 1:2-r7)", "a (>= 1.0)", "c (= 1:1.0-r0)"))


def test_where_a_version_comes_from(tmp_path: Path) -> None:
    plain, stated = module(tmp_path, "a"), module(tmp_path, "b", more=[("version", "$Rev: 3$")])
    assert driver_version(None, [plain]) == "0"
    assert driver_version(tmp_path, [plain, stated]) == "0.Rev.3"
    (tmp_path / "dkms.conf").write_text('PACKAGE_NAME=one\nPACKAGE_VERSION="2.5_1"\n')
    assert driver_version(tmp_path, [stated]) == "2.5.1"
    made = split("one", tmp_path, [plain], Place(release=R), Asked())
    assert [package.conflicts for package in made] == [("one-dkms",), ()]


def test_who_can_be_written_to() -> None:
    assert is_address("A B <a@b.c>")
    for text in ("A", "a@b.c", "<a@b.c>", "A <a>", "A <a@b>", "A <a@b.c> and B", "A, B <a@b.c>", "A\n <a@b.c>"):
        assert not is_address(text), text
