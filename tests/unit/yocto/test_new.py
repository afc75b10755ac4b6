# SPDX-License-Identifier: GPL-2.0-or-later
"""Recipes and drivers that are written are right at once: they lint clean, and say what the sources say."""

import hashlib
from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.yocto.lint import lint
from dlkm.yocto.new import Wishes, driver_named, gpl_text, recipe_for, recipe_name
from dlkm.yocto.releases import NEWEST, Release

DRIVERS = Path(__file__).parents[2] / "drivers"
EXAMPLES = Path(__file__).parents[3] / "examples"
WISHES = Wishes(release=NEWEST)


def _driver(folder: Path, makefile: str, source: str = "// SPDX-License-Identifier: GPL-2.0\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Makefile").write_text(makefile)
    (folder / "foo.c").write_text(source)
    return folder


GOALS = "obj-m := foo.o\nall modules modules_install:\n\t$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) $@\n"


@pytest.mark.parametrize("release", [Release.KIRKSTONE, Release.STYHEAD, NEWEST])
def test_a_new_driver_lints_clean(tmp_path: Path, release: Release) -> None:
    files = driver_named("my-thing", tmp_path, release).write(force=False)
    assert sorted(path.name for path in files) == ["COPYING", "Makefile", "my-thing_1.0.bb", "my_thing.c"]
    recipe = tmp_path / "my-thing" / "my-thing_1.0.bb"
    assert lint(recipe, release).findings == ()
    md5 = hashlib.md5((tmp_path / "my-thing" / "COPYING").read_bytes(), usedforsecurity=False).hexdigest()
    assert f"file://COPYING;md5={md5}" in recipe.read_text()
    assert "@" not in (tmp_path / "my-thing" / "my_thing.c").read_text()


@pytest.mark.parametrize("name", ["", "1a", "a/b", "../x", "A", "a" * 60, "a b", "-a"])
def test_a_name_that_no_module_may_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        driver_named(name, tmp_path, NEWEST)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    driver_named("foo", tmp_path, NEWEST).write(force=False)
    with pytest.raises(UsageError, match="there already"):
        driver_named("foo", tmp_path, NEWEST).write(force=False)
    driver_named("foo", tmp_path, NEWEST).write(force=True)


def test_the_text_of_the_gpl_is_that() -> None:
    assert b"GNU GENERAL PUBLIC LICENSE" in gpl_text()[:200]


@pytest.mark.parametrize(
    "source",
    [EXAMPLES / "hello", *(DRIVERS / name for name in ("bare", "kdir", "options"))],
    ids=lambda path: path.name,
)
def test_a_recipe_for_a_driver_lints_clean(tmp_path: Path, source: Path) -> None:
    import shutil

    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    (path,) = recipe_for(folder, None, WISHES).write(force=False)
    assert path.parent == folder
    assert [finding.rule for finding in lint(path, NEWEST).findings if finding.rule != "makefile-uname"] == []


@pytest.mark.parametrize(
    ("source", "licence"),
    [
        ("// SPDX-License-Identifier: GPL-2.0\n", "GPL-2.0-only"),
        ("// SPDX-License-Identifier: GPL-2.0+\n", "GPL-2.0-or-later"),
        ("/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */\n", "(GPL-2.0-only | MIT)"),
        ("// SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note\n", "GPL-2.0-with-Linux-syscall-note"),
        ('MODULE_LICENSE("GPL v2");\n', "GPL-2.0-only"),
        ('MODULE_LICENSE("Dual BSD/GPL");\n', "GPL-2.0-only | BSD-3-Clause"),
        ('MODULE_LICENSE ( "GPL" ) ;\n', "GPL-2.0-only"),
        ('MODULE_LICENSE("Proprietary");\n', "CLOSED"),
    ],
)
def test_the_licence_that_the_sources_state(tmp_path: Path, source: str, licence: str) -> None:
    folder = _driver(tmp_path / "foo", GOALS, source)
    (path,) = recipe_for(folder, None, WISHES).write(force=False)
    assert f'LICENSE = "{licence}"\n' in path.read_text()
    assert lint(path, NEWEST).findings == ()


def test_no_licence_is_asked_for(tmp_path: Path) -> None:
    folder = _driver(tmp_path / "foo", GOALS, "int x;\n")
    with pytest.raises(UsageError, match="which licence"):
        recipe_for(folder, None, WISHES)
    with pytest.raises(UsageError, match="no text of Mine"):
        recipe_for(folder, None, Wishes(release=NEWEST, licence="Mine"))
    (folder / "COPYING").write_text("mine\n")
    assert recipe_for(folder, None, Wishes(release=NEWEST, licence="LicenseRef-Mine")).files


def test_what_the_sources_tell_else(tmp_path: Path) -> None:
    source = 'MODULE_LICENSE("GPL");\nMODULE_DESCRIPTION("A \\"b\\" $c"\n "d");\nMODULE_VERSION("2.5-rc1");\n'
    folder = _driver(tmp_path / "My_Driver", GOALS, source.replace('\\"b\\" ', ""))
    (path,) = recipe_for(folder, None, Wishes(release=NEWEST, autoload=True)).write(force=False)
    assert path.name == "my-driver_2.5-rc1.bb"
    assert 'SUMMARY = "A cd"\n' in path.read_text()
    assert path.read_text().endswith('KERNEL_MODULE_AUTOLOAD += "foo"\n')


def test_a_recipe_elsewhere_finds_the_sources(tmp_path: Path) -> None:
    folder = _driver(tmp_path / "layer" / "src" / "foo", GOALS)
    (path,) = recipe_for(folder, tmp_path / "layer" / "foo_1.bb", WISHES).write(force=False)
    assert 'FILESEXTRAPATHS:prepend := "${THISDIR}/src/foo:"' in path.read_text()
    assert lint(path, NEWEST).findings == ()
    with pytest.raises(UsageError, match="NAME_VERSION"):
        recipe_for(folder, tmp_path / "foo.txt", WISHES)


def test_names_that_src_uri_cannot_take(tmp_path: Path) -> None:
    folder = _driver(tmp_path / "foo", GOALS)
    (folder / "a b.c").touch()
    with pytest.raises(UsageError, match="SRC_URI"):
        recipe_for(folder, None, WISHES)


@pytest.mark.parametrize(
    ("text", "name"), [("My_Driver", "my-driver"), ("a.b", "a.b"), ("__", "driver"), ("ü", "driver")]
)
def test_recipe_names(text: str, name: str) -> None:
    assert recipe_name(text) == name
