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
    assert [finding.rule for finding in lint(path, NEWEST).findings] == []


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


def _lines(folder: Path, *, autoload: bool = True) -> list[str]:
    (path,) = recipe_for(folder, None, Wishes(release=NEWEST, autoload=autoload)).write(force=True)
    assert lint(path, NEWEST).findings == ()
    return path.read_text().splitlines()


def test_a_makefile_that_leads_into_a_directory(tmp_path: Path) -> None:
    top = "KSRC ?= /lib/modules/$(shell uname -r)/build\nall:\n\t$(MAKE) -C $(KSRC) M=$(CURDIR)/drv modules\n"
    folder = _driver(tmp_path / "foo", top)
    (folder / "drv").mkdir()
    (folder / "drv" / "Kbuild").write_text("NAME := bar\nobj-m := $(NAME).o\n")
    lines = _lines(folder)
    assert 'EXTRA_OEMAKE += "KSRC=${STAGING_KERNEL_DIR}"' in lines
    assert 'MODULES_INSTALL_TARGET = "-C ${STAGING_KERNEL_DIR} M=${B}/drv modules_install"' in lines
    assert 'MODULES_MODULE_SYMVERS_LOCATION = "drv"' in lines
    assert 'KERNEL_MODULE_AUTOLOAD += "bar"' in lines


def test_a_makefile_that_makes_in_a_directory(tmp_path: Path) -> None:
    folder = _driver(tmp_path / "foo", "all:\n\t$(MAKE) -C src\n")
    _driver(folder / "src", GOALS)
    lines = _lines(folder)
    assert 'B = "${S}/src"' in lines
    assert 'KERNEL_MODULE_AUTOLOAD += "foo"' in lines


def test_a_release_that_the_makefile_asks_for_is_passed(tmp_path: Path) -> None:
    asks = "KVER ?= $(shell uname -r)\nOTHER := `uname -r`\n"
    lines = _lines(_driver(tmp_path / "foo", asks + GOALS))
    assert [line for line in lines if "KERNEL_VERSION" in line] == [
        'EXTRA_OEMAKE += "KVER=${KERNEL_VERSION}"',
        'EXTRA_OEMAKE += "OTHER=${KERNEL_VERSION}"',
    ]


def test_a_makefile_that_takes_no_other_kernel_is_left_out(tmp_path: Path) -> None:
    bound = "obj-m := foo.o\nall:\n\tmake -C /lib/modules/$(shell uname -r)/build M=$(PWD) modules\n"
    lines = _lines(_driver(tmp_path / "foo", bound))
    assert 'EXTRA_OEMAKE += "-C ${STAGING_KERNEL_DIR} M=${B}"' in lines
    assert 'MAKE_TARGETS = "modules"' in lines


def test_what_dkms_builds_with_the_kernels_make(tmp_path: Path) -> None:
    folder = _driver(tmp_path / "foo", "all: tool\n")
    (folder / "drv").mkdir()
    (folder / "drv" / "Makefile").write_text("obj-m := bar.o\n")
    conf = "PACKAGE_NAME=foo\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME=bar\nDEST_MODULE_LOCATION=/extra\n"
    (folder / "dkms.conf").write_text(conf + 'MAKE="make -C $kernel_source_dir M=$dkms_tree/foo/1/build/drv"\n')
    lines = _lines(folder)
    assert 'EXTRA_OEMAKE += "-C ${STAGING_KERNEL_DIR} M=${B}/drv"' in lines
    assert 'MODULES_MODULE_SYMVERS_LOCATION = "drv"' in lines
    (folder / "Makefile").unlink()
    steps = 'MAKE="make -C $kernel_source_dir M=$dkms_tree/foo/1/build/a && make -C $kernel_source_dir M=/x/build/b"\n'
    (folder / "dkms.conf").write_text(conf + steps)
    with pytest.raises(UsageError, match="several steps"):
        recipe_for(folder, None, Wishes(release=NEWEST))


def test_a_place_that_bitbake_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="blanks"):
        recipe_for(_driver(tmp_path / "my driver", GOALS), None, WISHES)


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
