# SPDX-License-Identifier: GPL-2.0-or-later
"""One question to the worker: JSON in, JSON lines out, within a time. Knows no recipe."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dlkm.core.errors import WorkerLostError
from dlkm.core.processes import Completed, Runner

_SHOWN = 12  # last lines of what a lost worker said


def ask(
    runner: Runner, command: Sequence[str], request: Mapping[str, Any], *, seconds: float
) -> tuple[dict[str, Any], ...]:
    """The worker's answers. WorkerLostError when it ends badly, is too slow, or says what no worker says."""
    return answers_of(runner.run(command, stdin=question(request), timeout=seconds), seconds)


def question(request: Mapping[str, Any]) -> bytes:
    """The request as the worker reads it."""
    return json.dumps(request).encode()


def answers_of(done: Completed, seconds: float) -> tuple[dict[str, Any], ...]:
    """What a worker that has ended answered; WorkerLostError as above."""
    said = "".join(f"\n  {line}" for line in done.errors.decode("utf-8", "replace").strip().splitlines()[-_SHOWN:])
    if done.timed_out:
        raise WorkerLostError(f"the recipe worker took longer than {seconds:.0f} seconds and was ended{said}")
    if not done.ok:
        raise WorkerLostError(f"the recipe worker ended with status {done.status}{said}")
    try:
        answers = tuple(json.loads(line) for line in done.output.splitlines())
    except (ValueError, RecursionError) as error:
        raise WorkerLostError("the recipe worker answered something that is not JSON") from error
    if not all(isinstance(answer, dict) for answer in answers):
        raise WorkerLostError("the recipe worker answered something that no worker says")
    for answer in answers:
        if "defect" in answer:
            raise WorkerLostError(f"the recipe worker failed:\n{answer['defect']}")
    return answers
