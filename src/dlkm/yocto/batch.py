# SPDX-License-Identifier: GPL-2.0-or-later
"""Several recipes for several kernels: read together, fetched together, built after what they depend on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dlkm.build.cells import Attempt
from dlkm.build.options import BuildOptions
from dlkm.build.result import BuildOutcome, Cell
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
) -> Iterator[Attempt]:
    """Every recipe for every kernel, with the recipes beside them that they depend on; every cell is tried."""
    how, which = options
    for kernel in kernels:
        place = setting(workshop.runner, workshop.events, which, kernel, workshop.bubblewrap)
        read = with_needed(place, recipes)
        _tell(place, read)
        got = fetch(place, [_fetchable(one) for one in read])
        sources = {one.recipe.path: fetched for one, fetched in zip(read, got, strict=True)}
        with held_dir(cache_home() / "build", "sysroots-") as shared:
            yield from _Line(place, kernel, how, output, shared).run(in_order(read), sources)


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


class _Line:
    """The recipes of one kernel, one after the other; remembers what each left for the next."""

    def __init__(self, place: Setting, kernel: Kernel, options: BuildOptions, output: Path, shared: Path) -> None:
        self._place, self._kernel, self._options, self._output = place, kernel, options, output
        self._shared = shared
        self._done: dict[str, tuple[Cell, tuple[Path, ...]]] = {}  # by what they provide: the cell and its sysroots

    def run(self, read: Sequence[Evaluation], sources: Mapping[Path, Fetched]) -> Iterator[Attempt]:
        for one in read:
            yield self._attempt(one, sources[one.recipe.path])

    def _attempt(self, one: Evaluation, source: Fetched) -> Attempt:
        error = one.error or source.error
        if error is None:
            try:
                cell, sysroots = self._built(one, source.revisions)
                self._note(one, cell, sysroots)
                return Attempt(cell=cell)
            except DlkmError as caught:
                error = caught
        cell = refusal(error, one, self._kernel)
        self._note(one, cell, ())
        return Attempt(cell=cell, error=error)

    def _note(self, one: Evaluation, cell: Cell, sysroots: tuple[Path, ...]) -> None:
        for word in one.provides:
            self._done[word] = (cell, sysroots)

    def _built(self, one: Evaluation, revisions: Mapping[str, str]) -> tuple[Cell, tuple[Path, ...]]:
        if not one.compatible:
            return blank_cell(one, self._kernel, BuildOutcome.SKIPPED, one.why or "not for this machine"), ()
        needed = [self._done[word] for word in one.depends if word in self._done]
        missing = next((cell for cell, _ in needed if cell.outcome is not BuildOutcome.BUILT), None)
        if missing is not None:
            return blank_cell(one, self._kernel, BuildOutcome.SKIPPED, f"needs {missing.id}, which was not built"), ()
        sysroots = tuple(dict.fromkeys(folder for _, folders in needed for folder in folders))
        own = self._shared / identity_of(one, self._kernel)
        place = self._place
        assert place.tree is not None
        assert place.compiler is not None
        job = RecipeJob(
            evaluation=one,
            place=place,
            kernel=self._kernel,
            tree=place.tree,
            compiler=place.compiler,
            sysroots=sysroots,
            revisions=revisions,
        )
        known = {word: cell for word, (cell, _) in self._done.items()}
        cell = advised(build_recipe(job, self._options, self._output, own), one, known)
        return cell, (*sysroots, own) if own.is_dir() else sysroots
