# SPDX-License-Identifier: GPL-2.0-only
"""The worker's first lines: one request as JSON on standard input, the answers as JSON lines on standard output."""

import gc
import json
import os
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from dlkm.yocto.worker import stand_ins
from dlkm.yocto.worker.children import Child, wait

_MEMORY = 2 << 30  # bytes of address space for reading one recipe
_SECONDS = 10  # for reading one recipe
_PROCESSES = 200  # at once, while recipes are read
_PROCESSES_OF_TASKS = 1000
_FILE = 4 << 30  # bytes of one file that a task writes


def main() -> None:
    """Answer one request."""
    # What a recipe prints must not get between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if sys.argv[1:] == ["evaluate"]:
        _get_ready()
    request = json.load(sys.stdin)
    sys.path.insert(1, f"{sys.path[0]}/dlkm/yocto/meta/lib")
    modes: dict[str, Callable[[dict[str, Any]], Iterator[dict[str, Any] | str]]] = {
        "evaluate": _evaluate,
        "run": _run,
        "fetch": _fetch,
    }
    for answer in _guarded(modes[request["mode"]], request):
        out.write((answer if isinstance(answer, str) else json.dumps(answer)) + "\n")
        out.flush()
    # Taking apart what was read takes as long as a recipe.
    os._exit(0)


def _get_ready() -> None:
    """Load what reading a recipe needs: whoever asks may still be making up the question."""
    gc.disable()  # what is made here stays to the end, which comes soon
    if "bb" not in sys.modules:
        stand_ins.prepare(tasks=False)
        for name in ("config", "evaluate", "revisions", "spelling"):
            import_module(f"dlkm.yocto.worker.{name}")


def _guarded(
    mode: Callable[[dict[str, Any]], Iterator[dict[str, Any] | str]], request: dict[str, Any]
) -> Iterator[dict[str, Any] | str]:
    """Whatever goes wrong in here is told as an answer: standard error belongs to nobody."""
    try:
        yield from mode(request)
    except Exception as error:  # noqa: BLE001 — the last resort
        import traceback

        text = "".join(traceback.format_exception(error)[-6:])
        config = type(error).__name__ in {"ParseError", "BBHandledException", "ExpansionError"}
        yield {"error": {"text": str(error) or text, "file": "", "line": 0}} if config else {"defect": text}


def _evaluate(request: dict[str, Any]) -> Iterator[dict[str, Any] | str]:
    """Each recipe in a process of its own: what one does to bb, no other sees; one that hangs hinders no other."""
    _get_ready()
    from dlkm.yocto.worker.config import configured
    from dlkm.yocto.worker.messages import listen
    from dlkm.yocto.worker.revisions import settle
    from dlkm.yocto.worker.spelling import Reader, read_through

    settle({})
    ear, reader = listen(), Reader("/build/lib/")
    read_through(reader)
    base = configured(request, tracking=request["tracking"])
    alone = len(request["recipes"]) == 1
    for number, child in _in_children(
        [partial(_evaluated, recipe, request, base, reader, ear) for recipe in request["recipes"]], request["jobs"]
    ):
        answer = _answer_of(child, alone=alone)
        yield answer if isinstance(answer, str) else {"number": number} | answer


def _in_children(works: Sequence[Callable[[], dict[str, Any]]], jobs: int) -> Iterator[tuple[int, Child]]:
    """Each work done in a process; where together they made too many processes, one after the other."""
    waiting = list(range(len(works)))
    running: dict[int, Child] = {}
    while waiting or running:
        while waiting and len(running) < max(1, jobs):
            number = waiting.pop(0)
            running[number] = Child(works[number], _SECONDS)
        ended = wait(list(running.values()), _PROCESSES)
        if ended is None and len(running) > 1:
            waiting, running, jobs = [*running, *waiting], {}, 1
            continue
        number = next(number for number, child in running.items() if ended is None or child is ended)
        yield number, running.pop(number)


def _answer_of(child: Child, *, alone: bool) -> dict[str, Any] | str:
    """What a recipe's process answered. That of one recipe `alone` goes on as it is: it can spoil no other's."""
    if alone and child.answer is not None and child.answer.isascii():
        return child.answer.decode("ascii")
    try:
        answer = json.loads(child.answer or b"")
    except ValueError:
        answer = None
    # A recipe may write what it likes into its own answer, but speaks for nobody else.
    if isinstance(answer, dict) and not answer.keys() & {"defect", "number"}:
        return answer
    return {"error": {"text": f"reading the recipe {child.why}", "file": "", "line": 0}}


def _evaluated(recipe: dict[str, Any], request: dict[str, Any], base: Any, reader: Any, ear: Any) -> dict[str, Any]:
    from dlkm.yocto.worker.evaluate import RecipeError, described, parse

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        d = parse(recipe["path"], recipe["appends"], base, ear)
        return described(d, reader, ear, request["wanted"])
    except RecipeError as error:
        problem = {"text": error.text, "file": error.file, "line": error.line}
        return {"error": problem, "notices": reader.notices, "messages": ear.heard}
    except MemoryError:
        return {"error": {"text": f"reading the recipe took more than {_MEMORY >> 20} MiB", "file": "", "line": 0}}


def _run(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All tasks of one recipe, in a process that is watched."""
    stand_ins.prepare(tasks=True)
    from dlkm.yocto.worker import tasks

    child = Child(partial(_ran, request), request["seconds"])
    wait([child], max(_PROCESSES_OF_TASKS, 20 * request["jobs"]))
    try:
        answer = json.loads(child.answer or b"")
    except ValueError:
        answer = {"facts": {}, "messages": []} | tasks.interrupted(child.why)
    yield answer


def _ran(request: dict[str, Any]) -> dict[str, Any]:
    from dlkm.yocto.worker.config import configured
    from dlkm.yocto.worker.evaluate import RecipeError, order_of, parse
    from dlkm.yocto.worker.messages import listen
    from dlkm.yocto.worker.revisions import settle
    from dlkm.yocto.worker.spelling import Reader, read_through
    from dlkm.yocto.worker.tasks import run_all

    settle(request["revisions"])
    ear = listen()
    read_through(Reader("/build/lib/"))
    (recipe,) = request["recipes"]
    try:
        d = parse(recipe["path"], recipe["appends"], configured(request, tracking=True), ear)
    except RecipeError as error:
        return {"error": {"text": error.text, "file": error.file, "line": error.line}}
    facts = {name: d.getVar(name) for name in ("WORKDIR", "PKGDEST", "T", "D", "B", "SYSROOT_DESTDIR", "DEPLOYDIR")}
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE, _FILE))
    return {"facts": facts} | run_all(d, order_of(d), ear) | {"messages": ear.heard}


def _fetch(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is remote, into the download directory; sees values of the recipe, never its code."""
    stand_ins.prepare(tasks=False)
    from dlkm.yocto.worker.fetching import fetch_all

    yield from fetch_all(request)
