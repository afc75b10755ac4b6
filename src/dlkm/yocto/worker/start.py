# SPDX-License-Identifier: GPL-2.0-only
"""The worker's first lines: one request as JSON on standard input, the answers as JSON lines on standard output."""

import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

from dlkm.yocto.worker import stand_ins

_MEMORY = 2 << 30  # bytes of address space for reading one recipe
_SECONDS = 10  # for reading one recipe
_ANSWER = 32 << 20  # bytes of one recipe's answer


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
    waiting = list(enumerate(request["recipes"]))
    running: dict[int, tuple[int, int]] = {}
    while waiting or running:
        while waiting and len(running) < max(1, request["jobs"]):
            number, recipe = waiting.pop(0)
            pid, pipe = _started(partial(_evaluated, recipe, request, base, reader, ear))
            running[number] = (pid, pipe)
        number = min(running)
        pid, pipe = running.pop(number)
        answer = _answer_of(pid, pipe, alone=len(request["recipes"]) == 1)
        yield answer if isinstance(answer, str) else {"number": number} | answer


def _started(work: Callable[[], dict[str, Any]]) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            signal.alarm(_SECONDS)
            data = json.dumps(work()).encode()
            with os.fdopen(writing, "wb") as stream:
                stream.write(data)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    return pid, reading


def _answer_of(pid: int, pipe: int, *, alone: bool) -> dict[str, Any] | str:
    """What a recipe's process answered. That of one recipe `alone` goes on as it is: it can spoil no other's."""
    with os.fdopen(pipe, "rb") as stream:
        data = stream.read(_ANSWER)
    _, status = os.waitpid(pid, 0)
    if alone and status == 0 and b"\n" not in data and data.isascii():
        return data.decode("ascii")
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    ended = os.waitstatus_to_exitcode(status)
    why = f"took longer than {_SECONDS} seconds" if ended == -signal.SIGALRM else f"made its reader end ({ended})"
    return {"error": {"text": f"reading the recipe {why}", "file": "", "line": 0}}


def _evaluated(recipe: dict[str, Any], request: dict[str, Any], base: Any, reader: Any, ear: Any) -> dict[str, Any]:
    from dlkm.yocto.worker.evaluate import RecipeError, described, parse

    try:
        d = parse(recipe["path"], recipe["appends"], base, ear)
        return described(d, reader, ear, request["wanted"])
    except RecipeError as error:
        problem = {"text": error.text, "file": error.file, "line": error.line}
        return {"error": problem, "notices": reader.notices, "messages": ear.heard}
    except MemoryError:
        return {"error": {"text": f"reading the recipe took more than {_MEMORY >> 20} MiB", "file": "", "line": 0}}


def _run(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All tasks of one recipe."""
    stand_ins.prepare(tasks=True)
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
        yield {"error": {"text": error.text, "file": error.file, "line": error.line}}
        return
    facts = {name: d.getVar(name) for name in ("WORKDIR", "PKGDEST", "T", "D", "B", "SYSROOT_DESTDIR", "DEPLOYDIR")}
    yield {"facts": facts} | run_all(d, order_of(d), ear) | {"messages": ear.heard}


def _fetch(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is remote, into the download directory; sees values of the recipe, never its code."""
    stand_ins.prepare(tasks=False)
    from dlkm.yocto.worker.fetching import fetch_all

    yield from fetch_all(request)
