# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of a dkms.conf, as values: what is left out, what is translated, and that -j changes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.build.dkms import Dkms, conf_of, yard_of
from dlkm.build.environment import Surroundings
from dlkm.build.kerneltree import tree_on_the_target
from dlkm.build.options import BuildOptions
from dlkm.build.order import Order
from dlkm.build.steps import Plan
from dlkm.build.view import bare_view, sandbox_view
from dlkm.kernel.compiler import Compiler
from dlkm.source.copy import list_source
from dlkm.source.driver import find
from tests.unit.build.fakes import kernel

GCC = Compiler(path=Path("/usr/bin/gcc-12"), family="gcc", major=12)
CONF = "PACKAGE_NAME=x\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME[0]=x\nDEST_MODULE_LOCATION[0]=/updates\n"


def _order(folder: Path, *files: str) -> Order:
    source = folder / "x"
    source.mkdir()
    (source / "dkms.conf").write_text(CONF)
    (source / "Makefile").write_text("obj-m := x.o\n")
    for name in files:
        (source / name).write_bytes(b"")
    return Order(driver=find(source), kernel=kernel(folder / "k"), options=BuildOptions(), compiler=GCC)


def _told(**words: str) -> bytes:
    values = {"PACKAGE_NAME": "x", "PACKAGE_VERSION": "1", "BUILT_MODULE_NAME": "x", "DEST_MODULE_LOCATION": "/updates"}
    return b"".join(f"{name}\0000\0{value}\0".encode() for name, value in (values | words).items())


def _plan(order: Order, told: bytes, *, bare: bool = False) -> Plan:
    usual = sandbox_view(tree_on_the_target(order.kernel), GCC)
    around = Surroundings(
        kernel="/k", driver="/s/driver", root="/s/root", home="/s/home", tools="/s/tools", path="/bin"
    )
    yard = yard_of(order)
    steps = Dkms(order, yard, conf_of(order, yard, told, usual), list_source(order.driver.path))
    return steps.plan(bare_view(around, "/s/dkms", ()) if bare else usual, usual)


def _shown(plan: Plan) -> list[str]:
    return [step.shown for step in plan.steps if not step.silent]


def test_a_clean_goal_is_left_out_where_there_is_nothing_to_clean(tmp_path: Path) -> None:
    order = _order(tmp_path)
    assert [words.split()[-1] for words in _shown(_plan(order, _told()))] != []
    assert not any("clean" in words for words in _shown(_plan(order, _told())))


@pytest.mark.parametrize("name", ["blob.o", "lib.a", "old.mod"])
def test_it_is_asked_where_something_looks_built(tmp_path: Path, name: str) -> None:
    assert any(words.endswith(" clean") for words in _shown(_plan(_order(tmp_path, name), _told())))


@pytest.mark.parametrize("command", ["rm -f generated.h", "make clean; ./configure", "make mrproper", "./clean"])
def test_a_clean_that_may_do_more_is_run(tmp_path: Path, command: str) -> None:
    assert command in _shown(_plan(_order(tmp_path), _told(CLEAN=command)))


def test_the_number_of_jobs_changes_nothing(tmp_path: Path) -> None:
    order = _order(tmp_path)
    told = _told(MAKE="make -j8 all -j --jobs=3 KVER=1")
    plans = [_plan(replace(order, options=BuildOptions(jobs=jobs)), told) for jobs in (1, 8)]
    assert plans[0] == plans[1]
    assert "make KERNELRELEASE=6.1.0-9-amd64  all   KVER=1" in _shown(plans[0])


def test_a_conf_speaks_of_the_sandbox_wherever_it_is_run(tmp_path: Path) -> None:
    order = _order(tmp_path)
    told = _told(MAKE="make -C /lib/modules/6.1.0-9-amd64/build M=/var/lib/dkms/x/1/build")
    assert _shown(_plan(order, told, bare=True))[-1] == "make KERNELRELEASE=6.1.0-9-amd64 -C /k M=/s/dkms/x/1/build"
    step = _plan(order, told, bare=True).steps[0]
    assert (step.folder, step.environment["PWD"]) == ("/s/dkms/x/1/build", "/s/dkms/x/1/build")
