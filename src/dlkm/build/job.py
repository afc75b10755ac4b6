# SPDX-License-Identifier: GPL-2.0-or-later
"""One job: one driver built for one kernel. The steps in their order; each step lives elsewhere."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from dlkm.action.store import Store
from dlkm.build.bubblewrap import LOST, find_bubblewrap
from dlkm.build.caching import Cache
from dlkm.build.elsewhere import Remote
from dlkm.build.jobserver import JobServer
from dlkm.build.kerneltree import headers_of
from dlkm.build.options import BuildOptions
from dlkm.build.order import Given, Order
from dlkm.build.output import ensure_replaceable, output_directory
from dlkm.build.ran import Ran
from dlkm.build.result import BuildOutcome, Cell
from dlkm.build.running import Job
from dlkm.build.scratch import scratch
from dlkm.build.steps import environment_of, make_plan
from dlkm.build.work import Made, Workshop
from dlkm.core.events import Events
from dlkm.core.files import StorageError
from dlkm.core.processes import Foreman
from dlkm.core.tools import missing
from dlkm.kernel.compiler import Compiler, choose
from dlkm.kernel.kernel import Kernel
from dlkm.source.dkms import CONF
from dlkm.source.driver import Driver, Style

if TYPE_CHECKING:
    from dlkm.build.dkms import Reading, Yard


def open_workshop(options: BuildOptions, runner: Foreman, events: Events) -> Workshop:
    """Look once what this machine has. MissingToolError when there is no make."""
    if runner.find("make") is None:
        raise missing("make")
    jobs = JobServer(options.jobs) if options.jobs > 1 or options.remote is not None else None
    cache = Cache(store=Store(), runner=runner, known=options.cache) if options.cache or options.remote else None
    if options.sandbox:
        bubblewrap = find_bubblewrap(runner, events, is_root=os.geteuid() == 0)
    else:
        bubblewrap = None
        events.info(f"no sandbox, as asked: {LOST}")
    return Workshop(
        runner=runner,
        events=events,
        bubblewrap=bubblewrap,
        jobs=jobs,
        cache=cache,
        remote=_remote(options, cache, events),
    )


def _remote(options: BuildOptions, cache: Cache | None, events: Events) -> Remote | None:
    if options.remote is None or cache is None:
        return None
    from dlkm.build.connecting import connected

    return connected(options.remote, cache.store, events)


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
    compiler = _begun(workshop, kernel)
    order = Order(driver=driver, kernel=kernel, options=options, compiler=compiler, given=given)
    try:
        with scratch() as own, workshop.events.task(f"building {order.identity}") as task:
            job = Job(order, workshop, own, task, output)
            with _imported_meanwhile("dlkm.build.delivery"):
                done = _make(job)
            return _delivered(job, done, target, start)
    except OSError as error:
        # A full disk, a cache that may not be written: it is the machine that lacks something.
        raise StorageError(f"{order.identity} cannot be built: {error}") from error


def _begun(workshop: Workshop, kernel: Kernel) -> Compiler:
    """The compiler for a kernel; both are being read from now on."""
    cache = workshop.cache
    if cache is not None:
        cache.begin(kernel)
    compiler = choose(kernel, workshop.runner, workshop.events)
    if cache is not None:
        cache.begin_toolchain(compiler, kernel.arch)
    return compiler


@contextmanager
def _imported_meanwhile(module: str) -> Iterator[None]:
    """Import what is needed after the block beside it: for a small module that saves a fortieth of the whole."""
    thread = Thread(target=import_module, args=(module,), daemon=True)
    thread.start()
    yield
    thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """A job after its last step."""

    ran: Ran
    made: Made


def _make(job: Job) -> _Done:
    """Let the driver be made in its own way; goals that were asked for are its Makefile's."""
    if job.order.driver.style is Style.DKMS and not job.order.options.targets:
        return _make_as_dkms(job)
    ran = job.run(lambda view: make_plan(job.order, view))
    steps = make_plan(job.order, job.usual).steps
    folder = ran.seen(job.usual.around.folder(job.order.driver))
    commands = tuple(step.argv for step in steps)
    return _Done(ran=ran, made=Made(status=ran.status, folder=folder, commands=commands))


def read_dkms(workshop: Workshop, driver: Driver, kernel: Kernel, options: BuildOptions) -> "Reading":
    """What a driver's dkms.conf says on one kernel. Errors as of `build`; nothing is built."""
    headers_of(kernel)
    compiler = _begun(workshop, kernel)
    order = Order(driver=driver, kernel=kernel, options=options, compiler=compiler)
    with scratch() as own, workshop.events.task(f"reading {driver.path / CONF}") as task:
        return _read(Job(order, workshop, own, task, own.path))[0]


def _read(job: Job) -> "tuple[Reading, Ran]":
    from dlkm.build import dkms

    yard = dkms.yard_of(job.order)
    reading, asked = _read_as(job, yard)
    if reading.own != yard:
        # The conf's text does not tell what it is called, and may use that itself: $dkms_tree/$PACKAGE_NAME.
        return _read_as(job, reading.own)
    return reading, asked


def _read_as(job: Job, yard: "Yard") -> "tuple[Reading, Ran]":
    from dlkm.build import dkms

    order = job.order
    asked = job.run(lambda view: dkms.conf_plan(order, yard, view), here=True)
    conf = dkms.conf_of(order, yard, dkms.told_by(order, asked), job.usual)
    return dkms.Reading(conf=conf, yard=yard, usual=job.usual, release=order.kernel.release), asked


def _make_as_dkms(job: Job) -> _Done:
    from dlkm.build import dkms

    order, usual = job.order, job.usual
    reading, asked = _read(job)
    yard, conf = reading.yard, reading.conf
    if conf.excluded is not None:
        return _Done(ran=asked, made=dkms.excluded(yard, conf, usual))
    steps = dkms.Dkms(order, yard, conf, job.listing)
    steps.warn(job.workshop.events)
    if reason := steps.refused():
        made = Made(status=0, folder=yard.folder(usual), commands=(), refused=reason)
        return _Done(ran=asked, made=made)
    ran = job.run(lambda view: steps.plan(view, usual))
    made = steps.made(ran, job.workshop.events, usual)
    return _Done(ran=ran, made=made)


def _delivered(job: Job, done: _Done, target: Path, start: float) -> Cell:
    from dlkm.build.delivery import Finished, deliver

    order = job.order
    finished = Finished(
        identity=order.identity,
        driver=order.driver,
        kernel=order.kernel,
        tree=job.tree,
        ran=done.ran,
        made=done.made,
        start=start,
        environment=environment_of(order, job.usual),
        compiler=str(order.compiler.path),
    )
    cell = deliver(finished, target)
    if cell.outcome is BuildOutcome.BUILT:
        job.keep()
    return cell
