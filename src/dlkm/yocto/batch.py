# SPDX-License-Identifier: GPL-2.0-or-later
"""Several recipes for several kernels: read together, fetched together, built after what they depend on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from dlkm.build.cells import Attempt, Nobody, Watcher, threads
from dlkm.build.options import BuildOptions
from dlkm.build.result import BuildOutcome
from dlkm.build.work import Workshop
from dlkm.core.errors import DlkmError
from dlkm.core.files import cache_home, held_dir
from dlkm.kernel.kernel import Kernel
from dlkm.yocto.advice import advised
from dlkm.yocto.evaluation import Evaluation, Setting, evaluate, setting
from dlkm.yocto.fetch import Fetched, fetch
from dlkm.yocto.job import RecipeJob, blank_cell, build_recipe, identity_of, refusal
from dlkm.yocto.layers import RecipeFile, layers_of, locate, providers
from dlkm.yocto.options import RecipeOptions

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
) -> Iterator[Attempt]:
    """Every recipe for every kernel, with the recipes beside them that they depend on; every cell is tried.

    As many at once as there are jobs, which they share; the answers come in the order of what needs what.
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
            yield from line.run(in_order(read), sources)


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


def in_order(read: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    """Each recipe after those it DEPENDS on; in a circle the order given."""
    providing = {word: one for one in reversed(read) for word in one.provides}
    order: dict[Path, Evaluation] = {}
    visiting: set[Path] = set()

    def visit(one: Evaluation) -> None:
        if one.recipe.path in order or one.recipe.path in visiting:
            return
        visiting.add(one.recipe.path)
        for word in one.depends:
            if word in providing:
                visit(providing[word])
        order[one.recipe.path] = one

    for one in read:
        visit(one)
    return tuple(order.values())


_Left = tuple[Attempt, tuple[Path, ...]]  # a cell, and the sysroots that who needs it builds against


class _Line:
    """The recipes of one kernel, each after those that it needs."""

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

    def run(self, read: Sequence[Evaluation], sources: Mapping[Path, Fetched]) -> Iterator[Attempt]:
        """All of them, in their order."""
        with threads(self._workshop, len(read)) as pool:
            by_word: dict[str, Future[_Left]] = {}
            started = []
            for one in read:
                needed = {word: by_word[word] for word in one.depends if word in by_word}
                future = pool.submit(self._attempt, one, sources[one.recipe.path], needed)
                by_word |= dict.fromkeys(one.provides, future)
                started.append(future)
            for future in started:
                yield future.result()[0]

    def _attempt(self, one: Evaluation, source: Fetched, needed: Mapping[str, "Future[_Left]"]) -> _Left:
        """Wait for those that it needs: they began earlier, so they end whatever happens here."""
        given = {word: future.result() for word, future in needed.items()}
        left = self._tried(one, source, given)
        self._watcher.end(left[0])
        return left

    def _tried(self, one: Evaluation, source: Fetched, given: Mapping[str, _Left]) -> _Left:
        try:
            if (error := one.error or source.error) is not None:
                raise error
            return self._built(one, source.revisions, given)
        except DlkmError as error:
            return Attempt(cell=refusal(error, one, self._kernel), error=error), ()

    def _built(self, one: Evaluation, revisions: Mapping[str, str], given: Mapping[str, _Left]) -> _Left:
        if not one.compatible:
            return self._skipped(one, one.why or "not for this machine")
        known = {word: attempt.cell for word, (attempt, _) in given.items()}
        missing = next((cell for cell in known.values() if cell.outcome is not BuildOutcome.BUILT), None)
        if missing is not None:
            return self._skipped(one, f"needs {missing.id}, which was not built")
        sysroots = tuple(dict.fromkeys(folder for _, folders in given.values() for folder in folders))
        own = self._shared / identity_of(one, self._kernel)
        with self._workshop.share(self._place.options.jobs, self._watcher.open) as jobs:
            self._watcher.begin(identity_of(one, self._kernel))
            job = self._job(one, revisions, sysroots, jobs)
            cell = advised(build_recipe(job, self._options, self._output, own), one, known)
        return Attempt(cell=cell), (*sysroots, own) if own.is_dir() else sysroots

    def _skipped(self, one: Evaluation, why: str) -> _Left:
        return Attempt(cell=blank_cell(one, self._kernel, BuildOutcome.SKIPPED, why)), ()

    def _job(self, one: Evaluation, revisions: Mapping[str, str], sysroots: tuple[Path, ...], jobs: int) -> RecipeJob:
        place = replace(self._place, options=replace(self._place.options, jobs=jobs))
        assert place.tree is not None
        assert place.compiler is not None
        return RecipeJob(
            evaluation=one,
            place=place,
            kernel=self._kernel,
            tree=place.tree,
            compiler=place.compiler,
            sysroots=sysroots,
            revisions=revisions,
        )
