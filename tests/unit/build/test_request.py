# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds as actions: their key depends on what decides the result, their plan is a shell's text that says no more."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.action.digest import digest_of
from dlkm.action.tree import Blobs, Folder
from dlkm.build.content import KernelContent
from dlkm.build.kerneltree import tree_on_the_target
from dlkm.build.options import BuildOptions
from dlkm.build.order import Given, Order
from dlkm.build.place import tools_of
from dlkm.build.request import Inputs, Request, request_of, worker_view
from dlkm.build.steps import make_plan
from dlkm.build.toolchain import Toolchain
from dlkm.build.view import sandbox_view
from dlkm.kernel.compiler import Compiler
from dlkm.source.driver import find
from tests.unit.build.fakes import kernel

GCC = Compiler(path=Path("/usr/bin/gcc-12"), family="gcc", major=12)
RULE = "all:\n\tmake -C $(KERNEL_SRC) M=$(PWD)\n"


def _inputs(folder: Path, options: BuildOptions | None = None, name: str = "driver") -> Inputs:
    source = folder / name
    source.mkdir(parents=True)
    (source / "Makefile").write_text(RULE)
    order = Order(driver=find(source), kernel=kernel(folder / "k"), options=options or BuildOptions(), compiler=GCC)
    places = (
        ("/usr/src/linux-headers-6.1.0-9-amd64", digest_of(b"headers"), True),
        ("/boot/config", digest_of(b"c"), False),
    )
    return Inputs(
        order=order,
        tree=tree_on_the_target(order.kernel),
        tools=tools_of(order.kernel, GCC),
        source=digest_of(b"source"),
        kernel=KernelContent(places=places, blobs=Blobs),
        toolchain=Toolchain(
            parts=(
                ("cc1", Path("/usr/lib/cc1"), digest_of(b"cc1")),
                ("make", Path("/usr/bin/make"), digest_of(b"make")),
            ),
            links=(("/usr/bin/cc", "gcc"), ("/etc/alternatives/awk", "/usr/bin/mawk")),
            binutils=frozenset(),
        ),
        sandboxed=True,
    )


def _request(inputs: Inputs) -> Request:
    order = inputs.order
    sandboxed = make_plan(order, sandbox_view(inputs.tree, GCC))
    return request_of(inputs, sandboxed, make_plan(order, worker_view(order, inputs.tree)))


def _plan(request: Request) -> str:
    return next(data for data in request.blobs.data.values() if data.startswith(b"hermetic=")).decode()


def test_where_and_with_how_many_jobs_is_not_in_the_key(tmp_path: Path) -> None:
    one, two = _inputs(tmp_path / "a"), _inputs(tmp_path / "b" / "elsewhere", BuildOptions(jobs=7))
    assert _request(one).digest == _request(two).digest


def test_what_decides_the_result_is(tmp_path: Path) -> None:
    plain = _inputs(tmp_path)
    symvers = tmp_path / "Module.symvers"
    symvers.write_text("0x1\tgive\tgiver\tEXPORT_SYMBOL\n")
    others = [
        replace(plain, source=digest_of(b"other")),
        replace(plain, sandboxed=False),
        replace(plain, hermetic=True, toolchain=replace(plain.toolchain, parts=())),
        replace(plain, properties={"pool": "x"}),
        replace(plain, toolchain=replace(plain.toolchain, parts=(("cc1", Path("/x"), digest_of(b"other")),))),
        replace(plain, kernel=replace(plain.kernel, places=plain.kernel.places[:1])),
        replace(plain, order=replace(plain.order, options=BuildOptions(epoch=1))),
        replace(plain, order=replace(plain.order, options=BuildOptions(variables=(("A", "1"),)))),
        replace(plain, order=replace(plain.order, given=(Given(name="giver@k", symvers=symvers),))),
        replace(plain, tools=replace(plain.tools, files=plain.tools.files[1:])),
    ]
    keys = [_request(inputs).digest for inputs in (plain, *others)]
    assert len(set(keys)) == len(keys)


def test_the_same_toolchain_in_another_place_is_the_same() -> None:
    parts = (("cc1", Path("/usr/lib/cc1"), digest_of(b"cc1")),)
    here = Toolchain(parts=parts, links=(), binutils=frozenset())
    there = replace(here, parts=(("cc1", Path("/opt/cc1"), digest_of(b"cc1")),), links=(("/a", "b"),))
    assert here.digest == there.digest


@pytest.mark.parametrize(
    "value", ["a b", "it's", '"; rm -rf /; "', "$(id)", "`id`", "\\", "a\nb", "@here@", "-n", "$here"]
)
def test_nothing_in_a_plan_is_run_but_the_steps(tmp_path: Path, value: str) -> None:
    plan = _plan(_request(_inputs(tmp_path, BuildOptions(variables=(("A", value),)))))
    body = plan[plan.index("sandboxed() {") : plan.index("bare() {")]
    words = shlex.split(body.removeprefix("sandboxed() {").strip().removesuffix("}"))
    assert f"A={value}" in words
    assert words.count("step") == 1


def test_a_bare_worker_fills_in_its_own_directory(tmp_path: Path) -> None:
    plan = _plan(_request(_inputs(tmp_path)))
    sandboxed, _, bare = plan.partition("bare() {")
    assert "$here" not in sandboxed
    assert "'PWD='\"$here\"'/build/driver'" in bare
    assert "-ffile-prefix-map='\"$here\"'/build/driver=/build/driver" in bare
    assert "\0" not in plan


def test_a_root_of_its_own_has_the_links_that_programs_go_through(tmp_path: Path) -> None:
    request = _request(_inputs(tmp_path))
    alternatives = Folder(links={"awk": "../../usr/bin/mawk"})
    assert alternatives.digest() in request.blobs.data
