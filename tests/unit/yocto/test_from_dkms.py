# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recipe made of a dkms.conf says of places."""

from pathlib import Path

from dlkm.build.dkms import Reading, conf_of, yard_of
from dlkm.build.kerneltree import tree_on_the_target
from dlkm.build.options import BuildOptions
from dlkm.build.order import Order
from dlkm.build.view import sandbox_view
from dlkm.kernel.compiler import Compiler
from dlkm.source.driver import find
from dlkm.yocto.from_dkms import recipe_of_dkms, sources_of_others
from dlkm.yocto.new import Wishes
from dlkm.yocto.releases import Release
from tests.unit.build.fakes import kernel

GCC = Compiler(path=Path("/usr/bin/gcc-12"), family="gcc", major=12)
MAKE = "ln -s /usr/src/other-2/a.c /usr/src/x-1/b.c; make -C /lib/modules/6.1.0-9-amd64/build M=/usr/src/x-1 modules"


def test_its_own_source_is_s_and_anothers_is_told(tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.mkdir()
    (source / "dkms.conf").write_text("PACKAGE_NAME=x\nPACKAGE_VERSION=1\n")
    (source / "Makefile").write_text("obj-m := x.o\n")
    (source / "x.c").write_text('MODULE_LICENSE("GPL");\n')
    order = Order(driver=find(source), kernel=kernel(tmp_path / "k"), options=BuildOptions(), compiler=GCC)
    values = {"PACKAGE_NAME": "x", "PACKAGE_VERSION": "1", "BUILT_MODULE_NAME": "x", "DEST_MODULE_LOCATION": "/updates"}
    told = b"".join(f"{name}\0000\0{value}\0".encode() for name, value in (values | {"MAKE": MAKE}).items())
    usual, yard = sandbox_view(tree_on_the_target(order.kernel), GCC), yard_of(order)
    reading = Reading(conf=conf_of(order, yard, told, usual), yard=yard, usual=usual, release="6.1.0-9-amd64")
    assert sources_of_others(reading) == ("/usr/src/other-2",)
    wishes = Wishes(release=Release.SCARTHGAP, licence="GPL-2.0-only")
    (text,) = recipe_of_dkms(order.driver, reading, tmp_path, wishes, ()).files.values()
    lines = text.decode().splitlines()
    assert "# The commands take files of /usr/src/other-2: bring them along in SRC_URI, and name them there." in lines
    wanted = "ln -s /usr/src/other-2/a.c ${S}/b.c; make -C ${STAGING_KERNEL_DIR} M=${S} modules"
    assert f"\t{wanted}" in lines
