# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that use each other's symbols, across a directory, recipes and a DKMS package: one order, and a set that loads."""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
MAKEFILE = """\
obj-m := {name}.o
all:
	$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules
modules_install:
	$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules_install
"""
RECIPE = """\
SUMMARY = "{name}"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${{COMMON_LICENSE_DIR}}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
inherit module
SRC_URI = "{uri}"
S = "${{UNPACKDIR}}/{name}"
{more}
"""
DKMS = (
    'PACKAGE_NAME="{name}"\nPACKAGE_VERSION="1.0"\nBUILT_MODULE_NAME[0]="{name}"\nDEST_MODULE_LOCATION[0]="/updates"\n'
)


def _sources(folder: Path, name: str, *uses: str) -> Path:
    """A module that exports NAME_call, which calls those of others."""
    folder.mkdir(parents=True)
    calls = " + ".join([*(f"{one}_call()" for one in uses), "1"])
    declared = "".join(f"int {one}_call(void);\n" for one in (*uses, name))
    text = f"{declared}int {name}_call(void)\n{{\n\treturn {calls};\n}}\nEXPORT_SYMBOL_GPL({name}_call);\n"
    (folder / f"{name}.c").write_text(f'#include <linux/module.h>\n{text}MODULE_LICENSE("GPL");\n')
    (folder / "Makefile").write_text(MAKEFILE.format(name=name))
    return folder


def _recipe(layer: Path, name: str, *uses: str, packed: bool = False, more: str = "") -> Path:
    source = _sources(layer / "files" / name, name, *uses)
    uri = f"file://{name}"
    if packed:
        with tarfile.open(layer / "files" / f"{name}.tar.xz", "w:xz") as archive:
            archive.add(source, arcname=name)
        shutil.rmtree(source)
        uri = f"file://{name}.tar.xz"
    path = layer / f"{name}_1.0.bb"
    path.write_text(RECIPE.format(name=name, uri=uri, more=more))
    return path


def _dkms(folder: Path, name: str, *uses: str) -> Path:
    _sources(folder, name, *uses)
    (folder / "dkms.conf").write_text(DKMS.format(name=name))
    return folder


def _dlkm(*words: object) -> "subprocess.CompletedProcess[str]":
    argv = [str(DLKM), *map(str, words)]
    done = subprocess.run(argv, env=environment({}), capture_output=True, text=True, check=False, timeout=900)
    assert "Traceback" not in done.stderr
    return done


def _cells(done: "subprocess.CompletedProcess[str]") -> Mapping[str, Any]:
    return {cell["id"].partition("@")[0]: cell for cell in json.loads(done.stdout)["cells"]}


def _depends(cell: Mapping[str, Any]) -> str:
    words = ["modinfo", "-F", "depends", cell["modules"][0]["path"]]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_every_kind_gives_to_every_other(tmp_path: Path, kernel_61: Kernel) -> None:
    """Asked for from the last to the first."""
    layer = tmp_path / "layer"
    sources = [
        _recipe(layer, "fifth", "fourth"),
        _dkms(tmp_path / "fourth-1.0", "fourth", "third"),
        _recipe(layer, "third", "second", packed=True),
        _recipe(layer, "second", "first"),
        _sources(tmp_path / "first", "first", "zeroth"),
        _recipe(layer, "zeroth"),
    ]
    done = _dlkm("build", "--json", *sources, "-k", kernel_61.id, "-o", tmp_path / "out")
    cells = _cells(done)
    assert done.returncode == 0, done.stderr + str({name: cell["reason"] for name, cell in cells.items()})
    assert {name: _depends(cell) for name, cell in cells.items()} == {
        "zeroth": "",
        "first": "zeroth",
        "second": "first",
        "third": "second",
        "fourth-1.0": "third",
        "fifth": "fourth",
    }
    modules = [cell["modules"][0]["path"] for cell in cells.values()]
    checked = _dlkm("check", "--json", *modules, "-k", kernel_61.id)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert {one["outcome"] for one in json.loads(checked.stdout)["results"]} == {"loads"}


def test_a_cycle_across_kinds_is_named(tmp_path: Path, kernel_61: Kernel) -> None:
    layer = tmp_path / "layer"
    ring = [_sources(tmp_path / "egg", "egg", "hen"), _recipe(layer, "hen", "egg")]
    said = "egg → hen → egg: a cycle: egg uses hen_call of hen, hen uses egg_call of egg"
    done = _dlkm("build", "--json", *ring, "-k", kernel_61.id, "-o", tmp_path / "out")
    assert said in done.stderr or "hen → egg → hen: a cycle" in done.stderr, done.stderr
    assert {cell["outcome"] for cell in _cells(done).values()} == {"failed"}
