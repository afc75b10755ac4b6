# SPDX-License-Identifier: GPL-2.0-or-later
"""Recipes read by the worker, several at once: what each is, for whom, and what it needs. Builds nothing."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlkm
from dlkm.build.bubblewrap import Bubblewrap, find_bubblewrap, presumed_bubblewrap
from dlkm.core.errors import DlkmError, MalformedError, MissingToolError, WorkerLostError
from dlkm.core.events import Events
from dlkm.core.processes import Begun, Runner
from dlkm.yocto.asking import answers_of, ask, question
from dlkm.yocto.compiled import compile_worker
from dlkm.yocto.confine import LIBRARY, package_folder, reading_place
from dlkm.yocto.layers import CONF, RecipeFile, layers_of, shown
from dlkm.yocto.options import RecipeOptions
from dlkm.yocto.preset import preset

if TYPE_CHECKING:
    from dlkm.build.kerneltree import KernelTree
    from dlkm.kernel.compiler import Compiler
    from dlkm.kernel.kernel import Kernel

FACTS = ("PN", "PV", "DEPENDS", "PROVIDES", "MACHINE", "LICENSE", "SUMMARY")
_SECONDS = 12.0  # for one recipe; the worker itself stops at less


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One line that had a part in a variable's value. `op` is bb's word ("set", "append", ":append", …)."""

    file: str
    line: int
    op: str
    text: str
    flag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEntry:
    """One entry of SRC_URI: where it lies once it is fetched, "" where nobody can tell; of a repository the clone.

    `revision` is a repository's, and `key` the name of that in `Fetched.revisions` where only the fetch phase knows it.
    """

    url: str
    path: str
    revision: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One recipe, read. `why` says why it is not compatible; `error` is set when it could not be read.

    `tasks` are those that a build runs, in their order. `variables`, `bodies` (of tasks) and `history` are empty
    unless they were asked for. `fetch` is the fetch phase's part, in the worker's own form. `files` are those that were
    read for it, as the worker has them.
    """

    recipe: RecipeFile
    compatible: bool = True
    why: str | None = None
    error: DlkmError | None = None
    facts: Mapping[str, str | None] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    inherits: tuple[str, ...] = ()
    variables: Mapping[str, str | None] = field(default_factory=dict)
    bodies: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, tuple[Assignment, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fetch: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[SourceEntry, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """PN."""
        return self.facts.get("PN") or self.recipe.name

    @property
    def depends(self) -> tuple[str, ...]:
        """The words of DEPENDS."""
        return tuple(dict.fromkeys((self.facts.get("DEPENDS") or "").split()))

    @property
    def provides(self) -> tuple[str, ...]:
        """The words of PROVIDES, its own name among them."""
        return tuple(dict.fromkeys([self.name, *(self.facts.get("PROVIDES") or "").split()]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of each recipe: every variable with its history, or only one of them."""

    variables: bool = False
    variable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where recipes are read: the machine's sandbox, and the kernel they are for (None: for none in particular)."""

    runner: Runner
    events: Events
    bubblewrap: Bubblewrap
    options: RecipeOptions
    kernel: "Kernel | None" = None
    tree: "KernelTree | None" = None
    compiler: "Compiler | None" = None
    begun: Begun | None = None  # a worker that was started already, for the first recipes


def setting(
    runner: Runner,
    events: Events,
    options: RecipeOptions,
    kernel: "Kernel | None",
    bubblewrap: Bubblewrap | None = None,
    begun: Begun | None = None,
) -> Setting:
    """Recipes are programs, so always a sandbox: the one given, or one that is presumed to work.

    MissingToolError where there is none. UsageError for a kernel without headers.
    """
    bubblewrap = bubblewrap or presumed_bubblewrap(runner, is_root=os.geteuid() == 0) or _tried(runner, events)
    if kernel is None:
        return Setting(runner=runner, events=events, bubblewrap=bubblewrap, options=options, begun=begun)
    from dlkm.build.kerneltree import headers_of, tree_on_the_target
    from dlkm.kernel.compiler import choose

    headers_of(kernel)
    return Setting(
        runner=runner,
        events=events,
        bubblewrap=bubblewrap,
        options=options,
        kernel=kernel,
        tree=tree_on_the_target(kernel),
        compiler=choose(kernel, runner, events),
    )


def _tried(runner: Runner, events: Events) -> Bubblewrap:
    """The sandbox, tried out."""
    bubblewrap = find_bubblewrap(runner, events, is_root=os.geteuid() == 0)
    if bubblewrap is None:
        raise MissingToolError(
            "recipes carry code and are run only in a sandbox, which does not work here",
            hint="apt-get install bubblewrap",
        )
    return bubblewrap


def request_of(mode: str, place: Setting, recipes: Sequence[RecipeFile]) -> dict[str, Any]:
    """The request to the worker, but for what its mode alone needs."""
    options = place.options
    files = [f"{CONF}/{number}.conf" for number in range(len(options.conf))]
    return {
        "mode": mode,
        "recipes": [
            {"path": str(recipe.path), "appends": [str(path) for path in recipe.appends]} for recipe in recipes
        ],
        "layers": [str(folder) for folder in layers_of(recipes)],
        "preset": preset(options, place.kernel, place.tree, place.compiler),
        "conf": files,
        "forced": dict(options.forced),
        "jobs": options.jobs,
    }


def evaluate(place: Setting, recipes: Sequence[RecipeFile], asked: Asked | None = None) -> tuple[Evaluation, ...]:
    """Read the recipes, in the order given; one that cannot be read has an `error`. WorkerLostError for no answer."""
    if not recipes:
        return ()
    wanted = asked or Asked()
    compile_worker()
    request = request_of("evaluate", place, recipes) | {
        "wanted": {"facts": FACTS, "variables": wanted.variables, "variable": wanted.variable},
        "tracking": True,
    }
    answers = _answers(place, recipes, request)
    if len(answers) == 1 and "number" not in answers[0]:
        answers = tuple(answers[0] | {"number": number} for number in range(len(recipes)))
    ordered = {int(answer["number"]): answer for answer in answers}
    return tuple(_evaluation(recipe, ordered.get(number, {})) for number, recipe in enumerate(recipes))


def _answers(place: Setting, recipes: Sequence[RecipeFile], request: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    seconds = 10.0 + _SECONDS * len(recipes)
    try:
        if place.begun is not None:
            return answers_of(place.begun.end(question(request), seconds), seconds)
        command = reading_place(place.bubblewrap, place.tree, shown(recipes, place.options.conf))
        return ask(place.runner, command, request, seconds=seconds)
    except WorkerLostError:
        # The sandbox was only presumed to work: trying it out says why it does not, or how else it does.
        bubblewrap = _tried(place.runner, place.events)
        if bubblewrap == place.bubblewrap:
            raise
        command = reading_place(bubblewrap, place.tree, shown(recipes, place.options.conf))
        return ask(place.runner, command, request, seconds=seconds)


def _evaluation(recipe: RecipeFile, answer: Mapping[str, Any]) -> Evaluation:
    warnings = tuple(_warnings(answer))
    problem = answer.get("error") if answer else {"text": "was not answered for", "file": "", "line": 0}
    if problem:
        return Evaluation(recipe=recipe, error=_unreadable(recipe, problem), warnings=warnings)
    history = {name: tuple(map(_assignment, events)) for name, events in answer.get("history", {}).items()}
    return Evaluation(
        recipe=recipe,
        compatible=bool(answer["compatible"]),
        why=answer["why"],
        facts=answer["facts"],
        tasks=tuple(answer["tasks"]),
        inherits=tuple(answer["inherits"]),
        variables=answer.get("variables", {}),
        bodies=answer.get("bodies", {}),
        history=history,
        warnings=warnings,
        fetch=answer.get("fetch") or {},
        sources=tuple(SourceEntry(**row) for row in answer.get("sources", ())),
        files=tuple(answer.get("files", ())),
    )


def _assignment(event: dict[str, Any]) -> Assignment:
    return Assignment(**event | {"file": outside(event["file"])})


def outside(file: str) -> str:
    """Where a file that the worker saw lies here."""
    for name, folder in (("dlkm", Path(dlkm.__file__).parent), ("bb", package_folder("bb"))):
        if file.startswith(f"{LIBRARY}/{name}/"):
            return file.replace(f"{LIBRARY}/{name}", str(folder), 1)
    return file


def _warnings(answer: Mapping[str, Any]) -> Iterator[str]:
    for notice in answer.get("notices", ()):
        yield f"{notice['file']}:{notice['line']}: {notice['message']}"
    for message in answer.get("messages", ()):
        if message["level"] == "warning":
            yield message["text"]


def _unreadable(recipe: RecipeFile, problem: Mapping[str, Any]) -> MalformedError:
    place = f"{problem['file']}:{problem['line']}" if problem["file"] and problem["line"] else problem["file"]
    text = str(problem["text"]).strip()
    hint = None
    if "Could not inherit file" in text or "Could not require file" in text or "Could not include" in text:
        hint = "give the layer that holds it: --layer DIR"
    return MalformedError(f"{place or recipe.path}: {text}", hint=hint)
