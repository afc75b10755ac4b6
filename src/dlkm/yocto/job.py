# SPDX-License-Identifier: GPL-2.0-or-later
"""One recipe built for one kernel: its tasks run in the sandbox of builds, its packages delivered like any build."""

import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dlkm.build.diagnostics import Diagnostic, first_cause, read_diagnostics
from dlkm.build.environment import fixed_environment
from dlkm.build.harvest import Product, collect, collect_symvers, products
from dlkm.build.kerneltree import KernelTree
from dlkm.build.options import BuildOptions
from dlkm.build.order import Given
from dlkm.build.output import ensure_replaceable, output_directory, prepared
from dlkm.build.place import prepare_tools, tools_of
from dlkm.build.record import Evidence, write_record
from dlkm.build.request import Request
from dlkm.build.result import BuildOutcome, Cell, moved
from dlkm.build.sandbox import Sandbox, sandbox
from dlkm.build.scratch import Scratch, scratch
from dlkm.core.errors import DlkmError, FetchError, MalformedError
from dlkm.core.files import StorageError
from dlkm.kernel.compiler import Compiler
from dlkm.kernel.kernel import Kernel
from dlkm.package.store import FOLDER, write_packages
from dlkm.source.driver import safe_name
from dlkm.yocto.asking import ask
from dlkm.yocto.collect import packages_in, place_outside
from dlkm.yocto.confine import library, worker_command, writable
from dlkm.yocto.evaluation import Evaluation, Setting, request_of
from dlkm.yocto.fetch import Fetched
from dlkm.yocto.known import TASK_LOG, Memory, request_for
from dlkm.yocto.layers import shown
from dlkm.yocto.preset import SYMVERS, SYSROOTS, WORK, downloads

LOG = "build.log"
# What says no more than that something failed.
_ONLY_STATUS = re.compile(
    r"Execution of \S+ failed with exit code|WARNING: exit code \d+ from a shell command|WARNING: "
    r"|(?:ERROR: )?(?:oe_runmake|make) failed$|(?:ERROR: )?Error executing a python function"
)
_STACK = "Exception: "  # bb's account of an exception, which the headline has in one line
_PLACED = re.compile(r"/[^:\n]+:\d+: ")
_GRACE = 60.0  # seconds for reading the recipe and ending what runs too long
_TOOLS = (
    *("ar", "as", "cpp", "g++", "gcc-ar", "gcc-nm", "gcc-ranlib", "ld", "ld.bfd", "nm"),
    *("objcopy", "objdump", "ranlib", "readelf", "strip"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeJob:
    """One recipe and what it builds on: `sysroots` are the directories that the recipes it DEPENDS on left.

    `given` is what others give whose symbols it uses and that it does not DEPEND on. `memory` is None where nothing is
    taken from earlier builds, and nothing kept.
    """

    evaluation: Evaluation
    place: Setting
    kernel: Kernel
    tree: KernelTree
    compiler: Compiler
    sysroots: tuple[Path, ...] = ()
    given: tuple[Given, ...] = ()
    fetched: Fetched = field(default_factory=Fetched)
    memory: Memory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """How the tasks went."""

    answer: Mapping[str, Any]
    scratch: Scratch
    start: float
    command: tuple[str, ...]
    cached: bool = False

    @property
    def failed(self) -> str | None:
        return self.answer.get("failed")


def identity_of(evaluation: Evaluation, kernel: Kernel) -> str:
    """The cell's id."""
    return f"{evaluation.recipe.label or safe_name(evaluation.name)}@{kernel.id}"


def blank_cell(evaluation: Evaluation, kernel: Kernel, outcome: BuildOutcome, reason: str) -> Cell:
    """A cell that nothing was run for."""
    return Cell(
        id=identity_of(evaluation, kernel),
        source=evaluation.recipe.path,
        kernel=kernel.id,
        arch=kernel.arch.name,
        outcome=outcome,
        reason=reason,
    )


def build_recipe(job: RecipeJob, options: BuildOptions, output: Path, sysroot: Path) -> Cell:
    """Run the recipe's tasks and deliver into `output/PN@KERNEL/`; `sysroot` gets what others build against.

    A failed build is a Cell too. FetchError when a licence text or source is not what the recipe says.
    """
    start = time.monotonic()
    identity = identity_of(job.evaluation, job.kernel)
    target = output_directory(output.absolute(), identity)
    ensure_replaceable(target)
    try:
        with scratch() as own, job.place.events.task(f"building {identity}"):
            request = _request(job, options)
            ran = _recalled(job, request, own, start) or _run(job, options, own, start)
            _warn(job, ran)
            _raise_if_refused(job, ran)
            cell = _deliver(job, ran, target, identity)
            if cell.outcome is BuildOutcome.BUILT:
                _keep_sysroot(ran, sysroot)
                _remember(job, request, ran)
            return cell
    except OSError as error:
        raise StorageError(f"{identity} cannot be built: {error}") from error


def _request(job: RecipeJob, options: BuildOptions) -> Request | None:
    """What the build is known by; None, which is told, where nothing says that it would be the same again."""
    if job.memory is None:
        return None
    request = request_for(job, options, job.memory.cache)
    if isinstance(request, str):
        job.place.events.info(f"{job.evaluation.name}: not kept for the next time: {request}")
        return None
    return request


def _recalled(job: RecipeJob, request: Request | None, own: Scratch, start: float) -> _Ran | None:
    """The tasks as they went an earlier time."""
    answer = job.memory.recall(request, own.path) if job.memory is not None and request is not None else None
    if answer is None:
        return None
    return _Ran(answer=answer, scratch=own, start=start, command=_command(job), cached=True)


def _remember(job: RecipeJob, request: Request | None, ran: _Ran) -> None:
    if job.memory is None or request is None or ran.cached:
        return
    try:
        job.memory.keep(request, ran.answer, ran.scratch.path)
    except StorageError as error:
        job.place.events.warning(f"{job.evaluation.name}: built, but not kept for the next time: {error}")


def _command(job: RecipeJob) -> tuple[str, ...]:
    return (job.evaluation.recipe.path.name, *job.evaluation.tasks)


def _warn(job: RecipeJob, ran: _Ran) -> None:
    """What the tasks warned of; what reading the recipe warned of was told then."""
    for message in ran.answer.get("messages", ()):
        if message["level"] == "warning" and message["text"] not in job.evaluation.warnings:
            job.place.events.warning(f"{job.evaluation.name}: {message['text']}")


def _prefix_tools(job: RecipeJob, own: Scratch) -> None:
    """The tools under the names with the target's prefix, where this machine has them without one."""
    prefix, runner = f"{job.kernel.arch.triplet}-", job.place.runner
    links = {name: runner.find(name) for name in _TOOLS} if job.kernel.arch.is_host else {}
    if job.compiler.family == "gcc":
        called = job.compiler.path.name.removeprefix(prefix)
        links |= dict.fromkeys(("gcc", called), job.compiler.path)
    for name, path in links.items():
        link = own.tools / f"{prefix}{name}"
        known = name in _TOOLS and runner.find(f"{prefix}{name}") is not None
        if path is not None and not known and not link.is_symlink():
            link.symlink_to(path)


def _run(job: RecipeJob, options: BuildOptions, own: Scratch, start: float) -> _Ran:
    prepare_tools(own, tools_of(job.kernel, job.compiler))
    _prefix_tools(job, own)
    inside = sandbox(job.place.bubblewrap, own, job.tree, job.compiler)
    environment = fixed_environment(job.kernel, job.compiler, options) | {
        "PATH": inside.view.around.path,
        "HOME": inside.view.around.home,
        "TMPDIR": "/tmp",  # noqa: S108 — in the sandbox a private one
    }
    seen = _with_recipe(inside, job)
    command = seen.command(worker_command(), environment, WORK)
    recipe = job.evaluation.recipe
    request = request_of("run", job.place, [recipe]) | {
        "revisions": dict(job.fetched.revisions),
        "seconds": job.place.options.seconds,
    }
    request["preset"] |= {
        "PATH": inside.view.around.path,
        "SOURCE_DATE_EPOCH": str(options.epoch),
        "DLKM_SYSROOTS": " ".join(f"{SYSROOTS}/{number}" for number in range(len(job.sysroots))),
        "DLKM_SYMVERS": " ".join(_symvers(number) for number in range(len(job.given))),
    }
    answers = ask(job.place.runner, command, request, seconds=job.place.options.seconds + _GRACE)
    answer: dict[str, Any] = (
        answers[0] if answers else {"error": {"text": "the worker gave no answer", "file": "", "line": 0}}
    )
    return _Ran(answer=answer, scratch=own, start=start, command=_command(job))


def _with_recipe(inside: Sandbox, job: RecipeJob) -> Sandbox:
    """The sandbox of builds with the recipe's layers, the downloads and the worker in it."""
    words = [*shown([job.evaluation.recipe], job.place.options.conf), *library()]
    if downloads().is_dir():
        words += ["--ro-bind", str(downloads()), str(downloads())]
    for number, folder in enumerate(job.sysroots):
        words += ["--ro-bind", str(folder), f"{SYSROOTS}/{number}"]
    for number, given in enumerate(job.given):
        words += ["--ro-bind", str(given.symvers), _symvers(number)]
    words += [*writable(inside.view.around.home), "--remount-ro", "/"]
    return replace(inside, mounts=(*inside.mounts, *words))


def _symvers(number: int) -> str:
    """Where a recipe sees the Module.symvers of the cell that gives to it as that number."""
    return f"{SYMVERS}/{number}/Module.symvers"


def _raise_if_refused(job: RecipeJob, ran: _Ran) -> None:
    """A source or licence text that is not what the recipe says is no failed build."""
    if "error" in ran.answer:
        raise MalformedError(f"{job.evaluation.recipe.path}: {ran.answer['error']['text']}")
    said = "\n".join(ran.answer.get("said", ()))
    if ran.answer.get("kind") in {"fetch", "integrity"}:
        # What names a line of a recipe file needs no other place.
        placed = _PLACED.match(said)
        raise FetchError(said if placed else f"{job.evaluation.recipe.path}: {said or 'a source is missing'}")


def _deliver(job: RecipeJob, ran: _Ran, target: Path, identity: str) -> Cell:
    log = _log_of(ran)
    facts = ran.answer["facts"]
    diagnostics = _of_tools(ran, read_diagnostics(log, str(facts.get("B") or "")))
    with prepared(target) as new:
        shutil.copyfile(log, new / LOG)
        packages = () if ran.failed else packages_in(facts, ran.scratch.driver, new, job.evaluation.name)
        found = products(new / FOLDER, ran.scratch.root, job.kernel) if packages else ()
        reason = _why_not(job, ran, found, diagnostics)
        cell = _cell(job, ran, () if reason else found, new)
        cell = replace(cell, reason=reason, outcome=BuildOutcome.FAILED if reason else BuildOutcome.BUILT)
        if reason:
            cell = replace(cell, error=first_cause(diagnostics))
            shutil.rmtree(new / FOLDER, ignore_errors=True)
        else:
            write_packages(new, packages)
            cell = replace(cell, packages=tuple(package.name for package in packages))
            _keep_deployed(facts, ran, new)
        cell = replace(
            cell, id=identity, cached=ran.cached and not reason, seconds=round(time.monotonic() - ran.start, 3)
        )
        write_record(new, cell, _evidence(job, ran, diagnostics))
    return moved(cell, target)


def _keep_deployed(facts: Mapping[str, str | None], ran: _Ran, output: Path) -> None:
    """What do_deploy left."""
    deployed = facts.get("DEPLOYDIR")
    source = place_outside(deployed, ran.scratch.driver) if deployed else None
    if source is not None and source.is_dir() and not source.is_symlink() and next(source.iterdir(), None) is not None:
        shutil.copytree(source, output / "deploy", symlinks=True)


def _log_of(ran: _Ran) -> Path:
    """What the tasks said; nothing where they put something else in its place."""
    log = ran.scratch.driver / TASK_LOG
    return log if log.is_file() and not log.is_symlink() else Path(os.devnull)


def _cell(job: RecipeJob, ran: _Ran, found: tuple[Product, ...], folder: Path) -> Cell:
    cell = blank_cell(job.evaluation, job.kernel, BuildOutcome.BUILT, "")
    symvers = collect_symvers(place_outside(ran.answer["facts"]["D"], ran.scratch.driver), folder) if found else None
    return replace(cell, modules=collect(found, folder), symvers=symvers, log=folder / LOG)


def _why_not(job: RecipeJob, ran: _Ran, found: Sequence[Product], diagnostics: tuple[Diagnostic, ...]) -> str:
    """Why the build did not give what was asked for; empty when it did."""
    if ran.failed:
        return _why_failed(ran, diagnostics)
    wrong = next((product for product in found if product.wrong is not None), None)
    if wrong is not None:
        return f"{wrong.path.name} {wrong.wrong}, not for {job.kernel.release} ({job.kernel.arch.name})"
    if not found and "module" in job.evaluation.inherits:
        return "the recipe inherits module, but none of its packages holds a module"
    return ""


def _of_tools(ran: _Ran, diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Without what bb itself says, which looks like modpost's words in the log."""
    said = [str(text) for text in ran.answer.get("said", ())]
    return tuple(
        one for one in diagnostics if not _ONLY_STATUS.match(one.text) and not any(one.text in text for text in said)
    )


def _why_failed(ran: _Ran, diagnostics: tuple[Diagnostic, ...]) -> str:
    cause = first_cause(diagnostics) if ran.failed in {"do_compile", "do_install"} else None
    if cause is not None:
        return f"{ran.failed}: {cause.shown}"
    said = [text.strip() for text in ran.answer.get("said", ()) if text.strip() and not _ONLY_STATUS.match(text)]
    last = [line for line in ran.answer.get("last", ()) if line.strip() and not _ONLY_STATUS.match(line)]
    headline = said[0] if said else last[-1] if last else "failed without a word"
    shown = [] if _PLACED.match(headline) and _STACK in "".join(last) else last
    shown = [line for line in shown if line.removeprefix("ERROR: ") not in headline]
    return "\n    ".join([f"{ran.failed}: {headline}", *shown])


def _evidence(job: RecipeJob, ran: _Ran, diagnostics: tuple[Diagnostic, ...]) -> Evidence:
    return Evidence(
        commands=(ran.command,),
        environment={},
        compiler=str(job.compiler.path),
        sandboxed=True,
        diagnostics=diagnostics,
    )


def _keep_sysroot(ran: _Ran, sysroot: Path) -> None:
    """What do_populate_sysroot gave, for the recipes that DEPEND on this one."""
    source = place_outside(ran.answer["facts"]["SYSROOT_DESTDIR"], ran.scratch.driver)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, sysroot, symlinks=True)


def refusal(error: DlkmError, evaluation: Evaluation, kernel: Kernel) -> Cell:
    """The cell of a recipe that could not be tried."""
    return blank_cell(evaluation, kernel, BuildOutcome.FAILED, error.what)
