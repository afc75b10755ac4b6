# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines, distributions and local.conf of layers that build on OpenEmbedded-Core, which is not here.

What is expected was found by reading bitbake.conf, conf/machine/include and conf/distro of OpenEmbedded-Core.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.yocto.evaluation import Asked, Evaluation, evaluate, setting
from dlkm.yocto.layers import locate
from dlkm.yocto.options import RecipeOptions
from dlkm.yocto.releases import Release

pytestmark = pytest.mark.contract

RECIPE = """
LICENSE = "CLOSED"
inherit module
WHERE = "nowhere"
WHERE:acme-soc = "on the ${SOC}"
COMPATIBLE_HOST = ".*-linux.*"
"""
BOARD = """
require conf/machine/include/arm/armv8a/tune-cortexa53.inc
require conf/machine/include/acme-soc.inc
include conf/machine/include/nowhere.inc
MACHINEOVERRIDES =. "acme-soc:"
MACHINE_FEATURES = "usbhost"
"""
PC = """
DEFAULTTUNE ?= "corei7-64"
require conf/machine/include/x86/tune-corei7.inc
require conf/machine/include/x86/x86-base.inc
"""
DISTRO = """
require conf/distro/poky.conf
require conf/distro/include/no-static-libs.inc
DISTRO = "acme-os"
INIT_MANAGER = "systemd"
DISTRO_FEATURES:remove = "x11"
"""


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A board's layer."""
    files = {
        "conf/layer.conf": 'BBPATH .= ":${LAYERDIR}"\n',
        "conf/machine/acme-board.conf": BOARD,
        "conf/machine/acme-pc.conf": PC,
        "conf/machine/acme-lost.conf": "require conf/machine/include/other-vendor.inc\n",
        "conf/machine/include/acme-soc.inc": 'SOC = "first soc"\n',
        "conf/distro/acme-os.conf": DISTRO,
        "recipes-kernel/driver/driver_1.0.bb": RECIPE,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def _read(layer: Path, options: RecipeOptions | None = None, conf: str = "") -> Evaluation:
    options = options or RecipeOptions()
    if conf:
        (layer / "lines.conf").write_text(conf)
        options = replace(options, conf=(layer / "lines.conf",))
    recipe = locate(layer / "recipes-kernel/driver/driver_1.0.bb")
    (one,) = evaluate(setting(Processes(), Events(), options, None), [recipe], Asked(variables=True))
    return one


def test_a_machine_of_a_layer(layer: Path) -> None:
    one = _read(layer, RecipeOptions(machine="acme-board"))
    assert one.error is None
    assert one.variables["WHERE"] == "on the first soc"
    assert one.variables["TARGET_ARCH"] == "aarch64"
    assert one.variables["ARCH"] == "arm64"
    assert str(one.variables["MACHINEOVERRIDES"]).split(":")[-2:] == ["acme-soc", "acme-board"]
    assert "aarch64" in str(one.variables["OVERRIDES"]).split(":")
    assert one.variables["PACKAGE_ARCH"] == "acme_board"


def test_a_machine_for_another_processor(layer: Path) -> None:
    one = _read(layer, RecipeOptions(machine="acme-pc"))
    assert (one.variables["TARGET_ARCH"], one.variables["WHERE"]) == ("x86_64", "nowhere")


@pytest.mark.parametrize(
    ("machine", "host", "arch"),
    [
        ("qemuarm64", "aarch64-oe-linux", "arm64"),
        ("qemuarm", "arm-oe-linux-gnueabi", "arm"),
        ("qemux86-64", "x86_64-oe-linux", "x86"),
        ("qemux86", "i686-oe-linux", "x86"),
        ("qemuriscv64", "riscv64-oe-linux", "riscv"),
    ],
)
def test_the_machines_of_openembedded_core(layer: Path, machine: str, host: str, arch: str) -> None:
    one = _read(layer, RecipeOptions(machine=machine))
    assert (one.variables["HOST_SYS"], one.variables["ARCH"]) == (host, arch)
    assert str(one.variables["MACHINEOVERRIDES"]).endswith(f":{machine}")


def test_what_another_layer_has_is_missed(layer: Path) -> None:
    one = _read(layer, RecipeOptions(machine="acme-lost"))
    assert one.error is not None
    assert "acme-lost.conf:1" in one.error.what
    assert one.error.hint is not None
    assert "--layer" in one.error.hint


def test_a_distribution_of_a_layer(layer: Path) -> None:
    one = _read(layer, RecipeOptions(distro="acme-os", release=Release.SCARTHGAP))
    features = str(one.variables["DISTRO_FEATURES"]).split()
    assert {"systemd", "usrmerge", "wifi"} <= set(features)
    assert not {"x11", "sysvinit"} & set(features)
    assert one.variables["modulesloaddir"] == "/usr/lib/modules-load.d"
    assert one.variables["modprobedir"] == "/usr/lib/modprobe.d"


@pytest.mark.parametrize(
    ("release", "conf", "loads", "options"),
    [
        (Release.KIRKSTONE, 'INIT_MANAGER = "systemd"\n', "/etc/modules-load.d", "/etc/modprobe.d"),
        (Release.SCARTHGAP, "", "/etc/modules-load.d", "/etc/modprobe.d"),
        (Release.SCARTHGAP, 'INIT_MANAGER = "systemd"\n', "/usr/lib/modules-load.d", "/usr/lib/modprobe.d"),
        (Release.WALNASCAR, 'DISTRO_FEATURES:append = " systemd"\n', "/usr/lib/modules-load.d", "/lib/modprobe.d"),
        (Release.WHINLATTER, "", "/etc/modules-load.d", "/etc/modprobe.d"),
        (Release.WRYNOSE, "", "/usr/lib/modules-load.d", "/usr/lib/modprobe.d"),
        (Release.MASTER, "", "/usr/lib/modules-load.d", "/usr/lib/modprobe.d"),
        (Release.WRYNOSE, 'INIT_MANAGER = "sysvinit"\n', "/etc/modules-load.d", "/etc/modprobe.d"),
    ],
)
def test_where_modules_are_configured(layer: Path, release: Release, conf: str, loads: str, options: str) -> None:
    one = _read(layer, RecipeOptions(release=release), conf)
    assert (one.variables["modulesloaddir"], one.variables["modprobedir"]) == (loads, options)


def test_local_conf_chooses_the_machine_and_a_flag_wins(layer: Path) -> None:
    conf = 'MACHINE = "acme-board"\nDISTRO ?= "acme-os"\nKERNEL_MODULE_AUTOLOAD:append:pn-driver = " x"\n'
    one = _read(layer, None, conf)
    assert (one.variables["MACHINE"], one.variables["TARGET_ARCH"]) == ("acme-board", "aarch64")
    assert one.variables["DISTRO_NAME"] == "Poky (Yocto Project Reference Distro)"
    assert str(one.variables["KERNEL_MODULE_AUTOLOAD"]).split() == ["x"]
    one = _read(layer, RecipeOptions(machine="acme-pc"), conf)
    assert one.variables["MACHINE"] == "acme-pc"
