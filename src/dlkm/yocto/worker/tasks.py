# SPDX-License-Identifier: GPL-2.0-only
"""The tasks of one recipe, run one after the other by bb; each leaves its log in the recipe's T."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bb
import bb.build
import bb.event
import bb.utils

from dlkm.yocto.worker.messages import Ear

LOG = "/build/driver/tasks.log"  # what the program outside shows
_TAIL = 64 << 10  # bytes at the end of a log of a task that was ended
_LAST = 12  # lines of a failed task's log that are told
_IN_SCRIPT = re.compile(r"(/\S+/run\.[\w.-]+): (?:line )?(\d+): (.*)")
_ORIGIN = re.compile(r"# line: (\d+), file: (.+)")
_LOG_LIMIT = 64 << 20  # bytes of one task's log


def run_all(d: Any, order: list[str], ear: Ear) -> dict[str, Any]:
    """Run the tasks; the first that fails ends it."""
    _tame(d)
    file = d.getVar("FILE", False)
    with open(LOG, "w", encoding="utf-8") as log:
        for task in order:
            start = time.monotonic()
            before = len(ear.heard)
            log.write(f"+ {task}\n")
            log.flush()
            with _into(log.fileno()):
                status = _run(file, task, d)
            log.seek(0, os.SEEK_END)
            log.write(_text_of_log(d, task))
            log.write(f"+ {task}: status {status}, {time.monotonic() - start:.1f} seconds\n")
            if status != 0:
                import oe.recipe

                said = [entry["text"] for entry in ear.heard[before:] if entry["level"] == "error"]
                last = _text_of_log(d, task).splitlines()[-_LAST:]
                kind = oe.recipe.FAILURE.get("kind", "")
                return {"failed": task, "said": said, "kind": kind, "last": [in_recipe(line) for line in last]}
    return {"failed": None}


def interrupted(why: str) -> dict[str, Any]:
    """What is told of tasks that were ended from outside: the one that ran, and the end of what it said."""
    try:
        with open(LOG, "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    task = next((line[2:] for line in reversed(lines) if re.fullmatch(r"\+ do_\w+", line)), "tasks")
    return {"failed": task, "said": [why], "kind": "", "last": _last_of_running(task)}


def _last_of_running(task: str) -> list[str]:
    """The last lines of the log of a task that did not come to its end."""
    for path in Path("/build/driver/tmp/work").glob(f"*/*/*/temp/log.{task}"):
        with suppress(OSError), path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            text = stream.read().decode("utf-8", "replace")
            with open(LOG, "a", encoding="utf-8") as log:
                log.write(text)
            return text.splitlines()[-_LAST:]
    return []


def in_recipe(line: str) -> str:
    """What the shell says of a line of bb's script, said of the line in the recipe that it came from."""
    match = _IN_SCRIPT.match(line)
    if match is None:
        return line
    try:
        script = Path(match[1]).read_text("utf-8", "replace").splitlines()
    except OSError:
        return line
    number = min(int(match[2]), len(script))
    for above in range(number - 1, -1, -1):
        origin = _ORIGIN.match(script[above])
        if origin is not None:
            # Below the comment stands the line that opens the function, which is the one that `line` counts.
            return f"{origin[2]}:{int(origin[1]) + number - above - 2}: {match[3]}"
    return line


def _run(file: str, task: str, d: Any) -> int:
    """bb's own way to run a task: prefuncs, postfuncs, cleandirs, dirs, its script and its log in T."""
    d.setVarFlag(task, "nostamp", "1")  # nobody would read one
    try:
        # Not exec_task, which takes a failure of the steps around a task for something else and fails itself.
        return int(bb.build._exec_task(file, task, d, False) or 0)  # noqa: SLF001 — as bb itself calls it
    except Exception as error:  # noqa: BLE001 — whatever a recipe's flags make of it
        bb.error(f"{task}: {type(error).__name__}: {error}")
        return 1


def _tame(d: Any) -> None:
    """Downloads are not ours to write here; nobody listens to events."""
    bb.utils.lockfile = lambda *_arguments, **_keywords: None
    bb.utils.unlockfile = lambda *_arguments, **_keywords: None
    d.setVar("BB_NO_NETWORK", "1")


@contextmanager
def _into(descriptor: int) -> Iterator[None]:
    """Whatever a task writes past its own log goes to ours."""
    kept = os.dup(1), os.dup(2)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        os.close(kept[0])
        os.close(kept[1])


def _text_of_log(d: Any, task: str) -> str:
    """What a task said; bb removes a log that stayed empty."""
    path = Path(d.getVar("T")) / f"log.{task}"
    try:
        with path.open("rb") as stream:
            return stream.read(_LOG_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""
