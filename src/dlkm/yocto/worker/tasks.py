# SPDX-License-Identifier: GPL-2.0-only
"""The tasks of one recipe, run one after the other by bb; each leaves its log in the recipe's T."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bb
import bb.build
import bb.event
import bb.utils

from dlkm.yocto.worker.evaluate import files_of, raised_at
from dlkm.yocto.worker.messages import Ear

LOG = "/build/driver/tasks.log"  # what the program outside shows
_TAIL = 64 << 10  # bytes at the end of a log of a task that was ended
_LAST = 12  # lines of a failed task's log that are told
_IN_SCRIPT = re.compile(r"(/\S+/run\.[\w.-]+): (?:line )?(\d+): (.*)")
_BY_PROGRAM = re.compile(r"(?:\S*/)?([a-z][\w.+-]*): (.+)")
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

                said = [_plainly(entry["text"]) for entry in ear.heard[before:] if entry["level"] == "error"]
                last, script = _text_of_log(d, task).splitlines()[-_LAST:], _lines_of(f"{d.getVar('T')}/run.{task}")
                files = [name for name in files_of(d) if name.endswith((".bb", ".inc", ".bbappend"))]
                kind = oe.recipe.FAILURE.get("kind", "")
                return {
                    "failed": task,
                    "said": said,
                    "kind": kind,
                    "last": [placed(in_recipe(line), script, files) for line in last],
                }
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


def _plainly(text: str) -> str:
    """An exception in a task's Python in one line, with its place in the recipe."""
    raised = raised_at(text)
    return text if raised is None else f"{raised[1]}:{raised[2]}: {raised[0]}"


def in_recipe(line: str) -> str:
    """What the shell says of a line of bb's script, said of the line in the recipe that it came from."""
    match = _IN_SCRIPT.match(line)
    if match is None:
        return line
    try:
        script = Path(match[1]).read_text("utf-8", "replace").splitlines()
    except OSError:
        return line
    place = _origin(script, min(int(match[2]), len(script)))
    return line if place is None else f"{place}: {match[3]}"


def _origin(script: list[str], number: int) -> str | None:
    """FILE:LINE of the recipe that a line of bb's script came from."""
    for above in range(number - 1, -1, -1):
        origin = _ORIGIN.match(script[above])
        if origin is not None:
            # Below the comment stands the line that opens the function, which is the one that `line` counts.
            return f"{origin[2]}:{int(origin[1]) + number - above - 2}"
    return None


def placed(line: str, script: list[str], files: Sequence[str] = ()) -> str:
    """What a program says before the shell ends on it (`cp: cannot stat 'x'`), with its place in the recipe.

    dash does not tell on which line it ended. The program's name and what it names do, where only one line has both:
    in bb's script, or in the recipe's files for what was appended to a function that a class gave.
    """
    match = _BY_PROGRAM.match(line)
    if match is None:
        return line
    number = _calling(script, match)
    place = None if number is None else _origin(script, number)
    if place is None or not place.startswith("/"):
        texts = {file: _lines_of(file) for file in files}
        numbers = {file: number for file, text in texts.items() if (number := _calling(text, match)) is not None}
        place = "{}:{}".format(*next(iter(numbers.items()))) if len(numbers) == 1 else None
    return line if place is None else f"{place}: {line}"


def _calling(lines: list[str], said: re.Match[str]) -> int | None:
    """The only line that calls the program, or the only one of several that names what it names."""
    program = re.compile(rf"(?:^|[\s;&|(/]){re.escape(said[1])}(?:\s|$)")
    named = re.findall(r"['\u2018]([^'\u2019]+)['\u2019]", said[2])
    calls = [number for number, text in enumerate(lines, 1) if program.search(text.partition("#")[0])]
    exact = [number for number in calls if any(word in lines[number - 1] for word in named)]
    found = exact or calls
    return found[0] if len(found) == 1 else None


def _lines_of(file: str) -> list[str]:
    try:
        return Path(file).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


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
