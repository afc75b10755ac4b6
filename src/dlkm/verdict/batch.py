# SPDX-License-Identifier: GPL-2.0-or-later
"""Many files, as quickly as may be: shared among processes, answered in the order given."""

import gc
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dlkm.core.errors import DlkmError, WorkerLostError
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.background import Background
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Outcome, Verdict

Answer = Verdict | DlkmError
_FEW = 128  # files that one process judges sooner than a second is started


def judge_all(
    kernel: Kernel,
    files: Sequence[Path],
    conditions: Conditions,
    jobs: int = 1,
    background: Background | None = None,
) -> Iterator[Answer]:
    """A verdict, or why there can be none, for each file. WorkerLostError when a process of ours is ended from outside.

    With `jobs` above 1 and many files, this process forks; children only compute and answer through a pipe.
    """
    session = Session(kernel, conditions, files, background)
    if jobs == 1 or len(files) < _FEW:
        return map(session.answer, files)
    session.prepare()
    with _without_collector():
        return iter(_shared(session, files, jobs))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Nothing here makes rings; looking for some in millions of small values costs a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _shared(session: Session, files: Sequence[Path], jobs: int) -> list[Answer]:
    """Every `jobs`-th file for each; big ones lie side by side in a tree, so that this spreads them."""
    children = [_start(session, files[number::jobs]) for number in range(1, jobs)]
    try:
        shares = [_compact(session, files[0::jobs])]
    except BaseException:
        for pid, pipe in children:
            os.close(pipe)
            os.waitpid(pid, 0)
        raise
    shares += [_collect(pid, pipe) for pid, pipe in children]
    answers: list[Answer | None] = [None] * len(files)
    for number, share in enumerate(shares):
        for place, one in enumerate(share):
            at = number + place * jobs
            answers[at] = _whole(session, files[at], one) if isinstance(one, tuple) else one
    return [answer for answer in answers if answer is not None]


_Compact = Answer | tuple[str, str]  # (name, taint) of a module that loads without a finding


def _compact(session: Session, files: Sequence[Path]) -> list[_Compact]:
    return [session.plain(path) or session.answer(path) for path in files]


def _whole(session: Session, path: Path, plain: tuple[str, str]) -> Verdict:
    name, taint = plain
    return Verdict(path=str(path), module=name, kernel=session.kernel.id, outcome=Outcome.LOADS, taint=taint)


def _start(session: Session, files: Sequence[Path]) -> tuple[int, int]:
    """A child that judges its share and answers through the pipe."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    status = 1
    try:
        os.close(ours)
        with os.fdopen(theirs, "wb") as pipe:
            pickle.dump(_compact(session, files), pipe, pickle.HIGHEST_PROTOCOL)
        status = 0
    finally:
        # Whatever happened, nothing of the parent's (its buffers, its progress bars) may be finished here.
        os._exit(status)


def _collect(pid: int, pipe: int) -> list[_Compact]:
    """What a child answered."""
    with os.fdopen(pipe, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise WorkerLostError(
            f"a worker process ended early (status {os.waitstatus_to_exitcode(status)})",
            hint="run it again; with -j 1 all happens in one process",
        )
    answers: list[_Compact] = pickle.loads(data)  # noqa: S301 — written by our own child, through a pipe
    return answers
