# SPDX-License-Identifier: GPL-2.0-or-later
"""One job: one driver built for one kernel, in a copy. The steps in their order; each step lives elsewhere."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Thread

from dlkm.build.bubblewrap import LOST, find_bubblewrap
from dlkm.build.compiler import Compiler, choose
from dlkm.build.environment import install_environment, make_commands
from dlkm.build.jobserver import JobServer
from dlkm.build.kerneltree import headers_of, tree_on_the_target, tree_on_this_machine
from dlkm.build.options import BuildOptions
from dlkm.build.output import ensure_replaceable, output_directory
from dlkm.build.place import Place, bare, prepare_tools
from dlkm.build.result import Cell
from dlkm.build.sandbox import sandbox
from dlkm.build.scratch import Scratch, scratch
from dlkm.build.work import Given, Job, Made, Workshop, symvers_place
from dlkm.core.events import Events
from dlkm.core.files import StorageError, cache_home
from dlkm.core.processes import Foreman
from dlkm.core.tools import missing
from dlkm.kernel.kernel import Kernel
from dlkm.source.copy import copy_source
from dlkm.source.driver import Driver, Style


def open_workshop(options: BuildOptions, runner: Foreman, events: Events) -> Workshop:
    """Look once what this machine has. MissingToolError when there is no make."""
    if runner.find("make") is None:
        raise missing("make")
    jobs = JobServer(options.jobs) if options.jobs > 1 else None
    if not options.sandbox:
        events.info(f"no sandbox, as asked: {LOST}")
        return Workshop(runner=runner, events=events, bubblewrap=None, jobs=jobs)
    found = find_bubblewrap(runner, events, is_root=os.geteuid() == 0)
    return Workshop(runner=runner, events=events, bubblewrap=found, jobs=jobs)


def identity(driver: Driver, kernel: Kernel) -> str:
    """The cell's id, the same everywhere."""
    return f"{driver.name}@{kernel.id}"


def build(
    driver: Driver, kernel: Kernel, options: BuildOptions, output: Path, *, runner: Foreman, events: Events
) -> Cell:
    """Build one driver for one kernel into `output/NAME@KERNEL/`; a failed build is a Cell too, with its log there.

    UsageError when the kernel has no headers or the output directory is not ours; MissingToolError when make or a
    compiler is missing; MalformedError when the source cannot be copied. Then nothing was written.
    """
    return build_in(open_workshop(options, runner, events), driver, kernel, options, output)


def build_in(
    workshop: Workshop,
    driver: Driver,
    kernel: Kernel,
    options: BuildOptions,
    output: Path,
    given: tuple[Given, ...] = (),
) -> Cell:
    """The same in a workshop that is already open, with what other cells give."""
    start = time.monotonic()
    headers_of(kernel)
    target = output_directory(output.absolute(), identity(driver, kernel))
    ensure_replaceable(target)
    compiler = choose(kernel, workshop.runner, workshop.events)
    try:
        with scratch() as own, workshop.events.task(f"building {identity(driver, kernel)}") as task:
            _copy(driver, own, output, workshop.events)
            _lay_out(given, own)
            job = Job(
                driver=driver,
                kernel=kernel,
                options=options,
                compiler=compiler,
                place=_place(workshop, own, kernel, compiler),
                scratch=own,
                workshop=workshop,
                task=task,
                given=given,
            )
            with _imported_meanwhile("dlkm.build.delivery"), workshop.turn():
                done = _made(job)
            return _delivered(job, done, target, start)
    except OSError as error:
        # A full disk, a cache that may not be written: it is the machine that lacks something.
        raise StorageError(f"{identity(driver, kernel)} cannot be built: {error}") from error


def _copy(driver: Driver, own: Scratch, output: Path, events: Events) -> None:
    leave_out = (cache_home(), output) if output.resolve() != driver.path else (cache_home(),)
    for warning in copy_source(driver.path, own.driver, leave_out):
        events.warning(f"{driver.name}: {warning}")


def _lay_out(given: tuple[Given, ...], own: Scratch) -> None:
    for one in given:
        path = own.tools / symvers_place(one.name)
        path.parent.mkdir(parents=True)
        shutil.copyfile(one.symvers, path)


def _place(workshop: Workshop, own: Scratch, kernel: Kernel, compiler: Compiler) -> Place:
    prepare_tools(own, kernel, compiler)
    if workshop.bubblewrap is not None:
        return sandbox(workshop.bubblewrap, own, tree_on_the_target(kernel), compiler)
    return bare(own, kernel, tree_on_this_machine(kernel), os.environ.get("PATH", ""))


def _run(job: Job) -> int:
    """Run make as often as is needed; the last status."""
    around, status = job.place.around, 0
    for number, argv in enumerate(_commands(job)):
        environment = {**job.environment, **(install_environment(around) if number else {})}
        status = job.run(argv, environment, around.folder(job.driver))
        if status != 0:
            break
    return status


def _commands(job: Job) -> tuple[tuple[str, ...], ...]:
    """A Makefile that looks for its givers itself, beside it, does not find them: it is told on the command line."""
    options, looked_for = job.options, "KBUILD_EXTRA_SYMBOLS"
    if job.given and any(name == looked_for for name, _value, _line in job.driver.makefile.assignments):
        options = replace(options, variables=((looked_for, job.extra_symbols), *options.variables))
    return make_commands(job.driver, options, job.place.around)


@contextmanager
def _imported_meanwhile(module: str) -> Iterator[None]:
    """Import what is needed after the block beside it: for a small module that saves a fortieth of the whole."""
    thread = Thread(target=import_module, args=(module,), daemon=True)
    thread.start()
    yield
    thread.join()


def _made(job: Job) -> Made:
    """Let the driver be made in its own way; goals that were asked for are its Makefile's."""
    if job.driver.style is Style.DKMS and not job.options.targets:
        from dlkm.build.dkms import make_as_dkms

        return make_as_dkms(job)
    status, around = _run(job), job.place.around
    return Made(status=status, folder=around.folder(job.driver), commands=_commands(job))


def _delivered(job: Job, made: Made, target: Path, start: float) -> Cell:
    from dlkm.build.delivery import Finished, deliver

    finished = Finished(
        identity=identity(job.driver, job.kernel),
        driver=job.driver,
        kernel=job.kernel,
        place=job.place,
        scratch=job.scratch,
        made=made,
        start=start,
        environment=job.environment,
        compiler=str(job.compiler.path),
    )
    return deliver(finished, target)
