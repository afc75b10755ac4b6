# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel's Makefiles find out about the toolchain before they compile: asked once, then answered at once.

Kbuild starts compiler and linker some thirty times for each driver to learn which options they know
(scripts/Makefile.compiler: try-run), always with the same words: of a small driver's build that is a third. The answers
follow from the toolchain and the words alone. They are learnt from a build of no module, in a sandbox in which no
driver's word is heard. Then they are said twice: to make, which then starts nothing at all, and to who asks the
compiler in words of its own.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from dlkm.build.kerneltree import KernelTree
from dlkm.build.options import BuildOptions
from dlkm.build.order import Order
from dlkm.build.scratch import Scratch
from dlkm.build.steps import Plan, Step, environment_of
from dlkm.build.view import View
from dlkm.core.data import data_path, data_text
from dlkm.source.driver import find

_BETWEEN = "\037"  # words
_ANSWERS = ".answers"
_ROW = 3  # who was asked, the status, the words
_BY_MAKE = "try-run"  # in place of who was asked: make's own question to the shell
_TRY_RUN = re.compile(rb"^try-run\s*=", re.MULTILINE)
_DEFINED_IN = ("Makefile.compiler", "Kbuild.include")  # since 5.13; before
_MARK = "\036"  # no command holds it
_NOT_FOR_MAKE = re.compile(rf"[#\n{_MARK}]")  # what cannot stand in a variable's value as it is


def probe_order(order: Order) -> Order:
    """The build of no module for an order's kernel, with its compiler."""
    return Order(
        driver=find(data_path("probe")),
        kernel=order.kernel,
        options=BuildOptions(),
        compiler=order.compiler,
    )


def probe_plan(order: Order, view: View) -> Plan:
    """The one step that tells what was asked, and the answers."""
    called = (word for pair in _called(order).items() for word in pair)
    script = data_text("probe.sh")
    argv = ("sh", "-c", script, "probe.sh", view.around.kernel, view.around.folder(order.driver), *called)
    return Plan(steps=(Step(argv=argv, environment=environment_of(order, view), folder="/", told=True, silent=True),))


def answer_ahead(scratch: Scratch, order: Order, tools: str, told: bytes) -> None:
    """Put scripts before the compiler that know these answers; `tools` is where the sandbox has their directory."""
    known = _known(told)
    for name, path in _called(order).items():
        lines = [f"{shlex.quote(words)}) status={status} ;;" for (who, words), status in known.items() if who == name]
        answers = "\n".join(["case $words in", *lines, "esac", ""])
        (scratch.tools / f"{name}{_ANSWERS}").write_bytes(answers.encode("utf-8", "surrogateescape"))
        place = shlex.quote(f"{tools}/{name}{_ANSWERS}")
        head = f"#!/bin/sh\ncompiler={shlex.quote(path)} answers={place} IFS='{_BETWEEN}'\n"
        script = scratch.tools / name
        script.unlink(missing_ok=True)  # a stand-in's link
        script.write_text(head + data_text("compiler.sh"), "utf-8")
        script.chmod(0o755)


def answer_in_make(scratch: Scratch, tree: KernelTree, told: bytes) -> tuple[str, ...]:
    """The mount that lets the kernel's own try-run know these answers; none where that is not as it usually is."""
    found = _defined(tree)
    if found is None:
        return ()
    path, place = found
    answers = {"0": _MARK, "1": _MARK}
    for (who, words), status in _known(told).items():
        if who == _BY_MAKE and not _NOT_FOR_MAKE.search(words):
            answers[status] += words.replace("$", "$$") + _MARK
    known = f"dlkm-mark := {_MARK}\ndlkm-yes := {answers['0']}\ndlkm-no := {answers['1']}\n"
    covered = scratch.path / path.name
    covered.write_bytes(path.read_bytes() + f"\n{data_text('try-run.mk')}{known}".encode("utf-8", "surrogateescape"))
    return ("--ro-bind", str(covered), place)


def _defined(tree: KernelTree) -> tuple[Path, str] | None:
    """The kernel's file that defines try-run: where it is, and where the sandbox has it."""
    for name in _DEFINED_IN:
        for path, place in _seen(tree, f"{tree.source}/scripts/{name}"):
            if path.is_file() and _TRY_RUN.search(path.read_bytes()):
                return path, place
    return None


def _seen(tree: KernelTree, file: str) -> Iterator[tuple[Path, str]]:
    """A file of the sandbox's, through links on this machine, as far as those stay in what the sandbox shows."""
    real = [(path / file.removeprefix(f"{place}/")) for path, place in tree.binds if file.startswith(f"{place}/")]
    for here in (path.resolve() for path in real):
        for path, place in tree.binds:
            if here.is_relative_to(path.resolve()):
                yield here, f"{place}/{here.relative_to(path.resolve())}"


def _known(told: bytes) -> dict[tuple[str, str], str]:
    """Statuses, "0" or "1", by who was asked and the words."""
    rows = [row.split(_BETWEEN, 2) for row in told.decode("utf-8", "surrogateescape").split("\0")]
    return {(row[0], row[2]): row[1] for row in rows if len(row) == _ROW and row[1] in {"0", "1"}}


def _called(order: Order) -> Mapping[str, str]:
    """What Makefiles may call the compiler, and which program that is."""
    compiler = order.compiler
    usual = compiler.path.name
    whole = compiler.path.with_name(f"{order.kernel.arch.triplet}-{usual}")
    return {
        usual: str(compiler.path),
        **({whole.name: str(whole)} if whole.exists() else {}),  # as Debian's headers of 6.12 call gcc
        **({compiler.stand_in: str(compiler.path)} if compiler.stand_in is not None else {}),
    }
