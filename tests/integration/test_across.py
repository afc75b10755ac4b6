# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that use each other's symbols, across a directory, recipes and a DKMS package: one order, a set that loads.

What is built once is known again, of whatever kind it is.
"""

import json
import os
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


def _dlkm(*words: object, store: Path | None = None) -> "subprocess.CompletedProcess[str]":
    argv = [str(DLKM), *map(str, words)]
    done = subprocess.run(
        argv,
        env=environment({"DLKM_CACHE": str(store or os.environ["DLKM_CACHE"])}),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert "Traceback" not in done.stderr
    return done


def _cells(done: "subprocess.CompletedProcess[str]") -> Mapping[str, Any]:
    return {cell["id"].partition("@")[0]: cell for cell in json.loads(done.stdout)["cells"]}


def _depends(cell: Mapping[str, Any]) -> str:
    words = ["modinfo", "-F", "depends", cell["modules"][0]["path"]]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _chain(tmp_path: Path) -> list[Path]:
    """Each uses the next one's symbol."""
    layer = tmp_path / "layer"
    return [
        _recipe(layer, "fifth", "fourth"),
        _dkms(tmp_path / "fourth-1.0", "fourth", "third"),
        _recipe(layer, "third", "second", packed=True),
        _recipe(layer, "second", "first"),
        _sources(tmp_path / "first", "first", "zeroth"),
        _recipe(layer, "zeroth"),
    ]


def test_every_kind_gives_to_every_other(tmp_path: Path, kernel_61: Kernel) -> None:
    """Asked for from the last to the first; then once more, with nothing changed, and with one source changed."""
    sources = _chain(tmp_path)
    words = ("build", "--json", *sources, "-k", kernel_61.id, "-o", tmp_path / "out")
    done = _dlkm(*words)
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
    again = _cells(_dlkm(*words))
    assert {name: cell["cached"] for name, cell in again.items()} == dict.fromkeys(cells, True)
    assert [_shown(cell) for cell in again.values()] == [_shown(cell) for cell in cells.values()]
    text = (tmp_path / "layer/files/second/second.c").read_text()
    (tmp_path / "layer/files/second/second.c").write_text(text.replace("+ 1", "+ 2"))
    changed = _cells(_dlkm(*words))
    assert [name for name, cell in changed.items() if not cell["cached"]] == ["second"]
    assert changed["second"]["modules"][0]["sha256"] != cells["second"]["modules"][0]["sha256"]


def _shown(cell: Mapping[str, Any]) -> Any:
    """What a cell brings, its packages' files among it."""
    folder = Path(cell["log"]).parent
    packages = {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
        for path in sorted(folder.rglob("packages*/**/*"))
        if path.is_file()
    }
    record = (folder / "packages.json").read_text() if (folder / "packages.json").is_file() else ""
    return [one["sha256"] for one in cell["modules"]], Path(cell["symvers"]).read_text(), packages, record


def test_a_recipe_is_known_by_all_that_decides_it(tmp_path: Path, kernel_61: Kernel) -> None:
    """Its classes and bbappends too; what is damaged is built anew, and what failed is tried again."""
    layer, store = tmp_path / "layer", tmp_path / "store"
    recipe = _recipe(layer, "known", more="inherit own")
    (layer / "classes").mkdir()
    (layer / "classes/own.bbclass").write_text('OWN = "1"\n')
    (layer / "conf").mkdir()
    (layer / "conf/layer.conf").write_text('BBPATH .= ":${LAYERDIR}"\n')

    def cached(*words: str) -> bool:
        (cell,) = _cells(
            _dlkm("build", "--json", recipe, "-k", kernel_61.id, "-o", tmp_path / "out", *words, store=store)
        ).values()
        assert cell["outcome"] == "built", cell["reason"]
        return bool(cell["cached"])

    assert [cached(), cached(), cached("--no-cache"), cached("--var", "A=1"), cached()] == [
        False,
        True,
        False,
        False,
        True,
    ]
    (layer / "classes/own.bbclass").write_text('OWN = "2"\n')
    assert [cached(), cached()] == [False, True]
    (layer / "known_%.bbappend").write_text('SUMMARY = "other"\n')
    assert [cached(), cached()] == [False, True]
    for blob in (store / "cas").rglob("*"):
        if blob.is_file() and blob.read_bytes()[:4] == b"\x7fELF":
            blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    assert [cached(), cached()] == [False, True]
    (layer / "files/known/known.c").write_text("broken")
    for _time in range(2):
        done = _dlkm("build", "--json", recipe, "-k", kernel_61.id, "-o", tmp_path / "out", store=store)
        assert [(cell["outcome"], cell["cached"]) for cell in _cells(done).values()] == [("failed", False)]


def test_a_branch_that_moves_is_never_taken_for_what_it_was(tmp_path: Path, kernel_61: Kernel) -> None:
    """SRCREV = AUTOREV: there and back, each time what the branch holds then."""
    upstream = _sources(tmp_path / "upstream", "moving")
    git = [
        "git",
        "-C",
        str(upstream),
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.org",
        "-c",
        "init.defaultBranch=main",
    ]
    recipe = tmp_path / "moving.bb"
    uri = f"git://{upstream};protocol=file;branch=main;destsuffix=moving"
    recipe.write_text(RECIPE.format(name="moving", uri=uri, more='SRCREV = "${AUTOREV}"'))

    def commit() -> None:
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
            subprocess.run([*git, *words], check=True)

    def built() -> tuple[bool, bool]:
        words = ("build", "--json", recipe, "-k", kernel_61.id, "-o", tmp_path / "out")
        (cell,) = _cells(_dlkm(*words, store=tmp_path / "store")).values()
        assert cell["outcome"] == "built", cell["reason"]
        return cell["cached"], b"the second time" in Path(cell["modules"][0]["path"]).read_bytes()

    commit()
    assert [built(), built()] == [(False, False), (True, False)]
    with (upstream / "moving.c").open("a") as stream:
        stream.write('MODULE_DESCRIPTION("the second time");\n')
    commit()
    assert [built(), built()] == [(False, True), (True, True)]
    subprocess.run([*git, "reset", "-q", "--hard", "HEAD~1"], check=True)
    assert built() == (True, False)


def test_a_cycle_across_kinds_is_named(tmp_path: Path, kernel_61: Kernel) -> None:
    layer = tmp_path / "layer"
    ring = [_sources(tmp_path / "egg", "egg", "hen"), _recipe(layer, "hen", "egg")]
    said = "egg → hen → egg: a cycle: egg uses hen_call of hen, hen uses egg_call of egg"
    done = _dlkm("build", "--json", *ring, "-k", kernel_61.id, "-o", tmp_path / "out")
    assert said in done.stderr or "hen → egg → hen: a cycle" in done.stderr, done.stderr
    assert {cell["outcome"] for cell in _cells(done).values()} == {"failed"}
