# SPDX-License-Identifier: GPL-2.0-or-later
"""One order at work: its plans looked up, or run here, with what they need laid out only then. Judges nothing."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from dlkm.action.digest import Digest
from dlkm.action.outcome import Outcome
from dlkm.action.tree import Blobs
from dlkm.build.caching import Cache
from dlkm.build.content import driver_digest, driver_folder
from dlkm.build.elsewhere import Remote
from dlkm.build.kerneltree import KernelTree, tree_on_the_target, tree_on_this_machine
from dlkm.build.order import Order, symvers_place
from dlkm.build.outputs import gathered, ran_from
from dlkm.build.place import Place, Tools, bare, prepare_tools, shown_command, tools_of
from dlkm.build.probe import answer_ahead, answer_in_make, probe_order, probe_plan
from dlkm.build.progress import followed
from dlkm.build.ran import Ran
from dlkm.build.request import Inputs, Request, request_of, worker_view
from dlkm.build.sandbox import Sandbox, sandbox
from dlkm.build.scratch import Scratch, scratch
from dlkm.build.steps import Plan, Step
from dlkm.build.view import View, sandbox_view, translated
from dlkm.build.work import Workshop
from dlkm.core.errors import DlkmError
from dlkm.core.events import Task
from dlkm.core.files import StorageError, cache_home
from dlkm.core.processes import Completed
from dlkm.source.copy import Listing, copy_listed, list_source, listed_below
from dlkm.source.dkms import NEIGHBOURS, neighbours
from dlkm.source.driver import Style

PlanFor = Callable[[View], Plan]

_TELLING = 60.0  # seconds for a step that only tells


class Job:
    """One order on its way, in its scratch directory."""

    def __init__(self, order: Order, workshop: Workshop, scratch: Scratch, task: Task, output: Path) -> None:
        self.order, self.workshop, self.scratch, self.task = order, workshop, scratch, task
        self._output = output
        self._laid_out = False
        self._yard = ""
        self._outcomes = 0
        self._made: list[tuple[Request, Ran | Outcome]] = []

    def run(self, plan_for: PlanFor, *, here: bool = False) -> Ran:
        """What a plan left: as it is known from earlier, from a worker, or from running it now.

        `here`: on this machine, which is remembered at once; otherwise only when `keep` is called.
        """
        cache, remote = self.workshop.cache, None if here else self.workshop.remote
        if cache is not None:
            source = self._copied if self._laid_out else self._source(cache)
            known = self._known(cache, self._request(cache, plan_for, source), remote)
            if known is not None:
                return known
        plan = plan_for(self._place.view)
        self._lay_out(plan.yard)
        if cache is None:
            return self._run_here(plan)
        # Of the copy itself: the source may have changed since it was looked at.
        request = self._request(cache, plan_for, self._copied)
        ran = self._run_elsewhere(cache, request, remote)
        if ran is None:
            if not here:
                self._answer_ahead(cache)
            ran = self._run_here(plan)
            if here and ran.status == 0:
                self._remember(cache, request, ran)
            elif not here:
                self._made.append((request, ran))
        return ran

    def keep(self) -> None:
        """Remember what was run so far: it led to what was asked for."""
        cache = self.workshop.cache
        if cache is not None and cache.known:
            try:
                for request, made in self._made:
                    self._remember(cache, request, made)
            except StorageError as error:
                self.workshop.events.warning(f"{self.order.identity}: built, but not kept for the next time: {error}")
            self._made.clear()

    def _remember(self, cache: Cache, request: Request, made: Ran | Outcome) -> None:
        store, remote = cache.store, self.workshop.remote
        outcome = gathered(store, made) if isinstance(made, Ran) else made
        store.keep(request.digest, outcome)
        store.settle()
        if remote is not None and isinstance(made, Ran):
            remote.publish(request, outcome)

    @cached_property
    def usual(self) -> View:
        """Where things are in the sandbox, the same on every machine."""
        return sandbox_view(self.tree, self.order.compiler)

    @cached_property
    def tree(self) -> KernelTree:
        """The kernel's directories as a target has them."""
        cache, kernel = self.workshop.cache, self.order.kernel
        return cache.tree(kernel) if cache is not None else tree_on_the_target(kernel)

    # What is asked of the cache

    def _request(self, cache: Cache, plan_for: PlanFor, source: Digest) -> Request:
        order, remote = self.order, self.workshop.remote
        inputs = Inputs(
            order=order,
            tree=self.tree,
            tools=self._tools,
            source=source,
            kernel=cache.kernel(order.kernel),
            toolchain=cache.toolchain(order.compiler, order.kernel.arch),
            sandboxed=self.workshop.bubblewrap is not None,
            hermetic=remote is not None and remote.hermetic,
            properties=remote.properties if remote is not None else {},
        )
        return request_of(inputs, plan_for(self.usual), plan_for(worker_view(order, self.tree)))

    def _known(self, cache: Cache, request: Request, remote: Remote | None) -> Ran | None:
        """What is known of a request, here or on a server; what a server knew is known here from then on."""
        if not cache.known:
            return None
        outcome = cache.store.get(request.digest)
        ran = self._put_out(cache, outcome)
        if ran is None and remote is not None:
            outcome = remote.known(request)
            ran = self._put_out(cache, outcome)
            if ran is not None and outcome is not None:
                self._made.append((request, outcome))
        return ran

    def _put_out(self, cache: Cache, outcome: Outcome | None) -> Ran | None:
        """An outcome as files, and what they say; None when there is none, or something is wrong with it."""
        if outcome is None:
            return None
        self._outcomes += 1
        folder = self.scratch.path / f"outcome-{self._outcomes}"
        return ran_from(folder) if cache.store.lay_out(outcome, folder) else None

    def _run_elsewhere(self, cache: Cache, request: Request, remote: Remote | None) -> Ran | None:
        """What a worker made of a request; None when it is to be run here."""
        if remote is None or remote.workers is None:
            return None
        answer = remote.run(request, self._inputs(cache), anew=not cache.known)
        ran = self._put_out(cache, answer.outcome) if answer is not None else None
        if answer is None or ran is None:
            remote.has_nothing(answer)
            return None
        if ran.status != 0 and ran.bare is not None and remote.fallback:
            # It may be for want of a sandbox: what is built here decides.
            remote.events.info(f"{self.order.identity}: failed on a worker without a sandbox; built here instead")
            return None
        self._made.append((request, answer.outcome))
        return replace(ran, cached=answer.cached)

    def _inputs(self, cache: Cache) -> Callable[[], Iterator[Blobs]]:
        """The blobs of a request beside its own: of the kernel and the source."""

        def inputs() -> Iterator[Blobs]:
            yield cache.kernel_blobs(self.order.kernel)
            folder, blobs = driver_folder(self.listing, self.scratch.driver)
            folder.digest(blobs.keep)
            yield blobs

        return inputs

    @cached_property
    def listing(self) -> Listing:
        """What is copied of the source; what is odd about it is told once."""
        driver, output = self.order.driver.path, self._output
        leave_out = (cache_home(), output) if output.resolve() != driver else (cache_home(),)
        listing = list_source(driver, leave_out)
        beside = neighbours(driver) if self.order.driver.style is Style.DKMS else ()
        if beside:
            more = {path.name: list_source(path, leave_out) for path in beside}
            listing = replace(listing, entries=(*listing.entries, *listed_below(NEIGHBOURS, more)))
        for warning in listing.warnings:
            self.workshop.events.warning(f"{self.order.driver.name}: {warning}")
        return listing

    def _source(self, cache: Cache) -> Digest:
        return driver_digest(self.order.driver.path, self.listing, cache.store)

    @cached_property
    def _copied(self) -> Digest:
        return driver_folder(self.listing, self.scratch.driver)[0].digest()

    @cached_property
    def _tools(self) -> Tools:
        return tools_of(self.order.kernel, self.order.compiler)

    # What is run here

    @cached_property
    def _place(self) -> Place:
        order, bubblewrap = self.order, self.workshop.bubblewrap
        prepare_tools(self.scratch, self._tools)
        if bubblewrap is not None:
            return sandbox(bubblewrap, self.scratch, self.tree, order.compiler)
        host_path = os.environ.get("PATH", "")
        return bare(self.scratch, order.kernel, tree_on_this_machine(order.kernel), host_path)

    def _lay_out(self, yard: str) -> None:
        if self._laid_out:
            self._move_on(yard)
            return
        self._laid_out = True
        copy_listed(self.listing, self.scratch.driver)
        for given in self.order.given:
            path = self.scratch.tools / symvers_place(given.name)
            path.parent.mkdir(parents=True)
            shutil.copyfile(given.symvers, path)
        if self.workshop.cache is not None:
            self._copied  # noqa: B018 — taken before anything is built in the copy
        self._yard = yard
        if yard:
            self._move_to(self.scratch.dkms / yard)

    def _move_on(self, yard: str) -> None:
        """What bash says that the driver is called may differ from what its conf's text told."""
        if yard and yard != self._yard:
            old, self._yard = self.scratch.dkms / self._yard, yard
            self.scratch.driver.unlink()
            (old / "build").rename(self.scratch.driver)
            self._move_to(self.scratch.dkms / yard)

    def _move_to(self, yard: Path) -> None:
        """Move the copy to where DKMS would build it; the usual place is a link to it from now on."""
        yard.mkdir(parents=True)
        self.scratch.driver.rename(yard / "build")
        (yard / "source").symlink_to("build")
        self.scratch.driver.symlink_to(yard / "build")

    def _answer_ahead(self, cache: Cache) -> None:
        """Let what the kernel's Makefiles ask of the compiler be answered from what it said before."""
        order, place = self.order, self._place
        if isinstance(place, Sandbox) and cache.known:
            told = cache.answers(order, self.asked)
            if told:
                answer_ahead(self.scratch, order, self.usual.around.tools, told)
                covers = answer_in_make(self.scratch, place.tree, told)
                self._place = replace(place, mounts=(*place.mounts, *covers))

    def asked(self) -> bytes:
        """What a build of no module tells of that; nothing where that fails: then each build asks itself."""
        try:
            with scratch() as own:
                order = probe_order(self.order)
                job = Job(order, self.workshop, own, self.task, own.path)
                return job.run(lambda view: probe_plan(order, view), here=True).told
        except (DlkmError, OSError) as error:
            self.workshop.events.detail(f"{self.order.kernel.id}: what the compiler knows is not known: {error}")
            return b""

    def _run_here(self, plan: Plan) -> Ran:
        statuses: list[int] = []
        told, view = b"", self._place.view
        with self.workshop.turn():
            for step in plan.steps:
                status, said = self._step(step)
                statuses.append(status)
                told += said
                if status != 0 and step.required:
                    break
        return Ran(
            statuses=tuple(statuses),
            log=self.scratch.log,
            copy=self.scratch.driver,
            root=self.scratch.root,
            told=_in_words_of(self.usual, told, view),
            bare=None if view.sandboxed else (view.around.driver, view.dkms),
        )

    def _step(self, step: Step) -> tuple[int, bytes]:
        """Run one step; its output, and its status and seconds, go to the log. Its exit status, and what it told."""
        log, line = self.scratch.log, step.shown or shown_command(step.argv, step.environment, step.folder)
        if step.silent:
            done = self._start(step, None if step.told else log)
            with log.open("ab") as stream:
                stream.write(done.errors)
            return done.status, done.output
        self.workshop.events.detail(f"+ {line}")
        start = time.monotonic()
        with followed(log, self.task):
            done = self._start(step, log)
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"+ {line}\n+ status {done.status}, {time.monotonic() - start:.1f} seconds\n")
        return done.status, b""

    def _start(self, step: Step, log: Path | None) -> Completed:
        jobs = self.workshop.jobs
        environment = dict(step.environment)
        if jobs is not None:
            environment["MAKEFLAGS"] = jobs.flags + environment.get("MAKEFLAGS", "")
        command = self._place.command(step.argv, environment, step.folder)
        inherit = jobs.descriptors if jobs is not None else ()
        seconds = _TELLING if step.told else None
        runner, unless = self.workshop.runner, self.workshop.stopping
        folder = self.scratch.path
        return runner.run(command, cwd=folder, log=log, inherit=inherit, timeout=seconds, unless=unless)


def _in_words_of(usual: View, told: bytes, view: View) -> bytes:
    return translated(told.decode("utf-8", "surrogateescape"), view, usual).encode("utf-8", "surrogateescape")
