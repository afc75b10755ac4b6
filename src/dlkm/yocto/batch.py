# SPDX-License-Identifier: GPL-2.0-or-later
"""Several recipes for several kernels: read and fetched together, built after what they need, drivers among them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dlkm.build.cells import Attempt, Nobody, Wanted, Watcher, attempt, given_by, threads
from dlkm.build.options import BuildOptions
from dlkm.build.order import Given
from dlkm.build.result import BuildOutcome, Cell
from dlkm.build.work import Workshop
from dlkm.core.errors import DlkmError
from dlkm.core.files import cache_home, held_dir
from dlkm.core.processes import Runner
from dlkm.kernel.kernel import Kernel
from dlkm.source.symbols import Member, in_order
from dlkm.source.symbols import members_of as drivers_among
from dlkm.yocto.advice import advised
from dlkm.yocto.evaluation import Evaluation, Setting, evaluate, setting
from dlkm.yocto.fetch import Fetched, fetch
from dlkm.yocto.job import RecipeJob, blank_cell, build_recipe, identity_of, refusal
from dlkm.yocto.known import Memory
from dlkm.yocto.layers import RecipeFile, layers_of, locate, providers
from dlkm.yocto.options import RecipeOptions
from dlkm.yocto.texts import texts_of

# What OpenEmbedded-Core has for every recipe, and tools of this machine.
_OF_CORE = re.compile(r"virtual/(?:kernel|libc|compilerlibs|libiconv|libintl|cross-\S+|\S*gcc|\S*binutils)|\S+-native")
_ROUNDS = 8  # of finding recipes that found recipes depend on


def build_recipes(
    workshop: Workshop,
    recipes: Sequence[RecipeFile],
    kernels: Sequence[Kernel],
    options: tuple[BuildOptions, RecipeOptions],
    output: Path,
    watcher: Watcher | None = None,
    drivers: Sequence[Wanted] = (),
) -> Iterator[Attempt]:
    """Every recipe for every kernel, with the recipes beside them that they depend on; every cell is tried.

    `drivers` are built with them, each for the kernel it is wanted for. As many at once as there are jobs, which they
    share; the answers come in the order of what needs what.
    """
    how, which = options
    for kernel in kernels:
        workshop.go_on()
        place = setting(workshop.runner, workshop.events, which, kernel, workshop.bubblewrap)
        read = with_needed(place, recipes)
        _tell(place, read)
        workshop.go_on()
        got = fetch(place, [_fetchable(one) for one in read])
        sources = {one.recipe.path: fetched for one, fetched in zip(read, got, strict=True)}
        with held_dir(cache_home() / "build", "sysroots-") as shared:
            line = _Line(workshop, place, kernel, how, output, shared, watcher or Nobody())
            yield from line.run(read, sources, [one for one in drivers if one.kernel.id == kernel.id])


def _fetchable(one: Evaluation) -> Evaluation:
    return one if one.error is None and one.compatible else replace(one, fetch={})


def _tell(place: Setting, read: Sequence[Evaluation]) -> None:
    for text in dict.fromkeys(text for one in read for text in one.warnings):
        place.events.warning(text)


def with_needed(place: Setting, recipes: Sequence[RecipeFile]) -> tuple[Evaluation, ...]:
    """The recipes read, and those of their layers that they DEPEND on."""
    read = list(evaluate(place, recipes))
    tried: set[Path] = set()
    for _round in range(_ROUNDS):
        known = {word for one in read for word in one.provides}
        words = {word for one in read if one.compatible for word in one.depends if not _OF_CORE.fullmatch(word)} - known
        found = [path for word in sorted(words) for path in providers(word, layers_of(recipes))[-1:]]
        paths = {one.recipe.path for one in read} | tried
        more = [locate(path, place.options.layers) for path in dict.fromkeys(found) if path not in paths]
        if not more:
            break
        tried |= {one.path for one in more}
        read += [one for one in evaluate(place, more) if one.error is not None or words & set(one.provides)]
    return tuple(read)


def _providing(read: Sequence[Evaluation]) -> Mapping[str, Path]:
    """Which recipe a word of DEPENDS means."""
    return {word: one.recipe.path for one in reversed(read) for word in one.provides}


def members_of(runner: Runner, read: Sequence[Evaluation], fetched: Mapping[Path, Fetched]) -> tuple[Member, ...]:
    """Recipes as sources among others."""
    providing = _providing(read)

    def member(one: Evaluation) -> Member:
        path = one.recipe.path
        asked = dict.fromkeys(providing[word] for word in one.depends if word in providing)
        return Member(
            name=one.name,
            path=path,
            is_recipe=True,
            texts=partial(texts_of, runner, one, fetched.get(path, Fetched())),
            asks={other: "says DEPENDS=" for other in asked if other != path},
        )

    return tuple(map(member, read))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """A cell, and the sysroots that who needs it builds against."""

    attempt: Attempt
    sysroots: tuple[Path, ...] = ()

    @property
    def cell(self) -> Cell:
        return self.attempt.cell


_Job = Callable[[Mapping[Path, _Left]], _Left]


class _Line:
    """The recipes of one kernel and the drivers beside them, each after those that it needs."""

    def __init__(
        self,
        workshop: Workshop,
        place: Setting,
        kernel: Kernel,
        options: BuildOptions,
        output: Path,
        shared: Path,
        watcher: Watcher,
    ) -> None:
        self._workshop, self._place, self._kernel, self._options = workshop, place, kernel, options
        self._output, self._shared, self._watcher = output, shared, watcher
        self._providing: Mapping[str, Path] = {}
        cache = workshop.cache
        self._memory = Memory(cache=cache, remote=workshop.remote) if cache is not None else None

    def run(
        self, read: Sequence[Evaluation], fetched: Mapping[Path, Fetched], drivers: Sequence[Wanted]
    ) -> Iterator[Attempt]:
        """All of them, in the order of what needs what."""
        self._providing = _providing(read)
        jobs: dict[Path, _Job] = {one.driver.path: partial(self._of_driver, one) for one in drivers}
        jobs |= {one.recipe.path: partial(self._of_recipe, one, fetched[one.recipe.path]) for one in read}
        members = (*members_of(self._workshop.runner, read, fetched), *drivers_among([one.driver for one in drivers]))
        order = in_order(members)
        for ring in order.rings:
            self._workshop.events.warning(str(ring))
        with threads(self._workshop, len(members)) as pool:
            started: dict[Path, Future[_Left]] = {}
            for member in order.members:
                givers = {giver.path: started[giver.path] for giver in order.givers[member.path]}
                started[member.path] = pool.submit(self._after, jobs[member.path], givers)
            for future in started.values():
                yield future.result().attempt

    @staticmethod
    def _after(job: _Job, givers: Mapping[Path, "Future[_Left]"]) -> _Left:
        """Wait for those that it needs: they began earlier, so they end whatever happens here."""
        return job({path: future.result() for path, future in givers.items()})

    def _of_driver(self, one: Wanted, given: Mapping[Path, _Left]) -> _Left:
        symbols = given_by(left.cell for left in given.values())
        return _Left(attempt=attempt(self._workshop, self._output, self._watcher, one, symbols))

    def _of_recipe(self, one: Evaluation, source: Fetched, given: Mapping[Path, _Left]) -> _Left:
        left = self._tried(one, source, given)
        self._watcher.end(left.attempt)
        return left

    def _tried(self, one: Evaluation, source: Fetched, given: Mapping[Path, _Left]) -> _Left:
        try:
            if (error := one.error or source.error) is not None:
                raise error
            return self._built(one, source, given)
        except DlkmError as error:
            return _Left(attempt=Attempt(cell=refusal(error, one, self._kernel), error=error))

    def _built(self, one: Evaluation, source: Fetched, given: Mapping[Path, _Left]) -> _Left:
        if not one.compatible:
            return self._skipped(one, one.why or "not for this machine")
        asked = self._by_word(one, given)
        known = {word: left.cell for word, left in asked.items()}
        missing = next((cell for cell in known.values() if cell.outcome is not BuildOutcome.BUILT), None)
        if missing is not None:
            return self._skipped(one, f"needs {missing.id}, which was not built")
        sysroots = tuple(dict.fromkeys(folder for left in asked.values() for folder in left.sysroots))
        symbols = given_by(left.cell for left in given.values() if left not in asked.values())
        own = self._shared / identity_of(one, self._kernel)
        with self._workshop.share(self._place.options.jobs, self._watcher.open) as jobs:
            self._watcher.begin(identity_of(one, self._kernel))
            job = self._job(one, source, (sysroots, symbols), jobs)
            cell = advised(build_recipe(job, self._options, self._output, own), one, known)
        return _Left(attempt=Attempt(cell=cell), sysroots=(*sysroots, own) if own.is_dir() else sysroots)

    def _by_word(self, one: Evaluation, given: Mapping[Path, _Left]) -> Mapping[str, _Left]:
        """Those that it DEPENDS on, by its own word for each."""
        meant = {word: self._providing[word] for word in one.depends if word in self._providing}
        return {word: given[path] for word, path in meant.items() if path in given}

    def _skipped(self, one: Evaluation, why: str) -> _Left:
        return _Left(attempt=Attempt(cell=blank_cell(one, self._kernel, BuildOutcome.SKIPPED, why)))

    def _job(
        self, one: Evaluation, source: Fetched, given: tuple[tuple[Path, ...], tuple[Given, ...]], jobs: int
    ) -> RecipeJob:
        place = replace(self._place, options=replace(self._place.options, jobs=jobs))
        assert place.tree is not None
        assert place.compiler is not None
        return RecipeJob(
            evaluation=one,
            place=place,
            kernel=self._kernel,
            tree=place.tree,
            compiler=place.compiler,
            sysroots=given[0],
            given=given[1],
            fetched=source,
            memory=self._memory,
        )
