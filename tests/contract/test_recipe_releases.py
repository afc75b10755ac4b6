# SPDX-License-Identifier: GPL-2.0-or-later
"""What each release of Yocto does otherwise: variables, make's command lines, and where sources and files lie.

What is expected was found by reading OpenEmbedded-Core's branches of these names, never from our own output.
"""

from pathlib import Path
from typing import Any

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.yocto.evaluation import Asked, Evaluation, evaluate, setting
from dlkm.yocto.layers import locate
from dlkm.yocto.options import RecipeOptions
from dlkm.yocto.releases import Release

pytestmark = pytest.mark.contract

WORK = "/build/driver/tmp/work/qemux86_64-oe-linux/driver/2.5"
FORMER = f"{WORK}-r0"
# By release, in their order: kirkstone, scarthgap, styhead, walnascar, whinlatter, wrynose, master.
TABLE: dict[str, tuple[Any, ...]] = {
    "modulesloaddir": (*["/etc/modules-load.d"] * 5, *["/usr/lib/modules-load.d"] * 2),
    "modprobedir": (*["/etc/modprobe.d"] * 5, *["/usr/lib/modprobe.d"] * 2),
    "nonarch_base_libdir": (*["/lib"] * 5, *["/usr/lib"] * 2),
    # kirkstone and scarthgap have no UNPACKDIR; that it means WORKDIR there is for recipes of later releases.
    "WORKDIR": (FORMER, *[WORK] * 6),
    "UNPACKDIR": (FORMER, WORK, *[f"{WORK}/sources-unpack"] * 2, *[f"{WORK}/sources"] * 3),
    "S": (f"{FORMER}/driver-2.5", *[f"{WORK}/driver-2.5"] * 3, *[f"{WORK}/sources/driver-2.5"] * 3),
    "BB_GIT_DEFAULT_DESTSUFFIX": (*["git"] * 4, *["driver-2.5"] * 3),
    "KERNEL_SPLIT_MODULES": ("1",) * 7,
    "KERNEL_MODULE_PACKAGE_SUFFIX": ("-",) * 7,  # and KERNEL_VERSION, which is empty without a kernel
    "MODULES_INSTALL_TARGET": ("modules_install",) * 7,
    "PACKAGE_ARCH": ("qemux86_64",) * 7,
    "RDEPENDS:driver-dev": ("driver (= 2.5-r0)", *[None] * 6),
    "RRECOMMENDS:driver-dev": (None, *["driver (= 2.5-r0)"] * 6),
    "DESCRIPTION": ("driver version 2.5-r0.",) * 7,
    "INHIBIT_DEFAULT_DEPS": (*[""] * 6, "1"),
    "KBUILD_BUILD_USER": (*[None] * 6, "oe-user"),
}
RELEASES = tuple(Release)
MERGED = {Release.WRYNOSE, Release.MASTER}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer with one recipe, its sources unnamed."""
    path = tmp_path_factory.mktemp("releases")
    (path / "driver_2.5.bb").write_text('LICENSE = "CLOSED"\ninherit module\n')
    return path


def _read(path: Path, release: Release, variable: str | None = None) -> Evaluation:
    place = setting(Processes(), Events(), RecipeOptions(release=release), None)
    (one,) = evaluate(place, [locate(path)], Asked(variables=variable is None, variable=variable))
    assert one.error is None
    return one


@pytest.fixture(scope="module")
def read(folder: Path) -> dict[Release, Evaluation]:
    """The recipe as each release reads it."""
    return {release: _read(folder / "driver_2.5.bb", release) for release in RELEASES}


@pytest.mark.parametrize("variable", TABLE)
def test_a_variable(variable: str, read: dict[Release, Evaluation]) -> None:
    found = tuple(read[release].variables.get(variable) for release in RELEASES)
    assert found == TABLE[variable]


@pytest.mark.parametrize("release", RELEASES)
def test_what_the_class_depends_on(release: Release, read: dict[Release, Evaluation]) -> None:
    words = set(read[release].depends)
    assert "virtual/kernel" not in words
    if release is Release.MASTER:
        assert words == {"pkgconfig-native", "virtual/cross-cc", "virtual/cross-binutils"}
    else:
        assert words == {"pkgconfig-native", "virtual/cross-cc", "virtual/compilerlibs", "virtual/libc"}


@pytest.mark.parametrize("release", RELEASES)
def test_what_make_is_told(release: Release, folder: Path) -> None:
    def line(function: str) -> str:
        return str(_read(folder / "driver_2.5.bb", release, function).variables[function])

    compiling, installing = line("module_do_compile"), line("module_do_install")
    for name in ("KERNEL_PATH", "KERNEL_VERSION", "CC", "LD", "AR", "O", "KBUILD_EXTRA_SYMBOLS"):
        assert f"{name}=" in compiling
    for tool in ("OBJCOPY", "STRIP"):
        assert (f"{tool}=" in compiling) == (release is not Release.KIRKSTONE)
        assert (f"{tool}=" in installing) == (release is not Release.KIRKSTONE)
    assert ("KBUILD_EXTRA_SYMBOLS=" in installing) == (release is not Release.STYHEAD)
    prefix = "/usr/lib" if release in MERGED else "/lib"
    assert "DEPMOD=echo" in installing
    work = FORMER if release is Release.KIRKSTONE else WORK
    assert f'MODLIB="{work}/image{prefix}/modules/' in installing
    assert f'INSTALL_FW_PATH="{work}/image{prefix}/firmware"' in installing
    assert "INSTALL_MOD_PATH" not in installing


REFUSED = [
    ("${WORKDIR}", Release.STYHEAD),
    ("${WORKDIR}/git", Release.WHINLATTER),
    ("${UNPACKDIR}/git", Release.WHINLATTER),
    ("${WORKDIR}/src", Release.WHINLATTER),
]


@pytest.mark.parametrize(("place", "since"), REFUSED)
@pytest.mark.parametrize("release", RELEASES)
def test_an_s_that_is_refused_is_named(place: str, since: Release, release: Release, tmp_path: Path) -> None:
    path = tmp_path / "driver_2.5.bb"
    path.write_text(f'LICENSE = "CLOSED"\ninherit module\nS = "{place}"\n')
    told = [text for text in _read(path, release, "S").warnings if place in text]
    assert bool(told) == release.since(since)
    assert all(f"{path}:3: " in text for text in told)


def test_files_of_a_machine_win_over_those_of_a_version(folder: Path) -> None:
    """base_set_filespath: all directories with the strongest override first, then all with the next."""
    one = _read(folder / "driver_2.5.bb", Release.WHINLATTER, "FILESPATH")
    found = str(one.variables["FILESPATH"]).split(":")
    bases = [f"{folder}/{name}" for name in ("driver-2.5", "driver", "files")]
    overrides = ("nodistro", "qemux86-64", "qemux86", "qemuall", "x86-64", "")
    assert found == [f"{base}/{override}" for override in overrides for base in bases]


def test_a_layer_is_an_override(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    lines = ('BBFILE_COLLECTIONS += "mine"', 'BBFILE_PATTERN_mine = "^${LAYERDIR}/"')
    (tmp_path / "conf" / "layer.conf").write_text("\n".join([*lines, ""]))
    path = tmp_path / "driver_1.bb"
    path.write_text('LICENSE = "CLOSED"\ninherit module\nWHERE = "anywhere"\nWHERE:layer-mine = "in the layer"\n')
    found = [_read(path, release, "WHERE").variables["WHERE"] for release in (Release.KIRKSTONE, Release.SCARTHGAP)]
    assert found == ["anywhere", "in the layer"]


def test_a_revision_in_the_files_name_counted_up_to_kirkstone(tmp_path: Path) -> None:
    path = tmp_path / "driver_1_r3.bb"
    path.write_text('LICENSE = "CLOSED"\ninherit module\n')
    found = [_read(path, release, "PR").variables["PR"] for release in (Release.KIRKSTONE, Release.SCARTHGAP)]
    assert found == ["r3", "r0"]


def test_what_a_recipe_without_the_module_class_starts_from(tmp_path: Path) -> None:
    """bitbake.conf: units are packaged by the class systemd alone, udev's files always; pkg-config sees one sysroot."""
    path = tmp_path / "tool_1.bb"
    path.write_text('LICENSE = "CLOSED"\n')
    values = _read(path, Release.WHINLATTER).variables
    files = str(values["FILES:tool"]).split()
    assert {"/lib/udev", "/usr/lib/udev"} <= set(files)
    assert not [place for place in files if "systemd" in place or place.endswith((".d", "/sysusers", "/tmpfiles"))]
    assert values["PKG_CONFIG_LIBDIR"] == values["PKG_CONFIG_DIR"] == f"{values['RECIPE_SYSROOT']}/usr/lib/pkgconfig"
