# SPDX-License-Identifier: GPL-2.0-or-later
"""Many files, as quickly as may be: shared among processes, answered in the order given."""

import gc
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from dlkm.core.errors import DlkmError, WorkerLostError
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.background import Background
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.quick import Plain, Quick
from dlkm.verdict.verdict import Outcome, Verdict

Answer = Verdict | DlkmError
_FEW = 128  # files that one process judges sooner than a second is started
_Asked = TypeVar("_Asked")
_Told = TypeVar("_Told")


def judge_all(
    kernel: Kernel,
    files: Sequence[Path | str],
    conditions: Conditions,
    jobs: int = 1,
    background: Background | None = None,
) -> Iterator[Answer]:
    """A verdict, or why there can be none, for each file. WorkerLostError when a process of ours is ended from outside.

    With `jobs` above 1 and many files, this process forks; children only compute and answer through a pipe.
    """
    names = [os.fspath(file) for file in files]
    facts = Facts(kernel)
    with _without_collector():
        plain = _plain(Quick(facts, conditions, era_of(kernel)), names, jobs)
        asked = [Path(name) for name, one in zip(names, plain, strict=True) if one is None]
        answers: Iterator[Answer] = iter(())
        if asked or (background is not None and background.companions):
            from dlkm.verdict.session import Session

            session = Session(kernel, conditions, asked, background, facts)
            if session.touched:  # what is plain without the given modules may be served by one of them
                plain = _plain(Quick(facts, conditions, era_of(kernel), session.touched), names, jobs)
                asked = [Path(name) for name, one in zip(names, plain, strict=True) if one is None]
            if jobs > 1 and len(asked) >= _FEW:
                session.prepare()
            answers = iter(_shared(session.answer, asked, jobs))
        pairs = zip(names, plain, strict=True)
        return iter([next(answers) if one is None else _whole(kernel, name, one) for name, one in pairs])


def _plain(quick: Quick, names: Sequence[str], jobs: int) -> list[Plain | None]:
    """Name and taint of the modules that surely load without a finding as long as no given module serves them."""
    if not quick.usable:
        return [None] * len(names)
    if jobs > 1 and len(names) >= _FEW:
        quick.prepare()
    return _shared(quick.look, names, jobs)


def _whole(kernel: Kernel, path: str, plain: Plain) -> Verdict:
    name, taint = plain
    return Verdict(path=path, module=name, kernel=kernel.id, outcome=Outcome.LOADS, taint=taint)


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


def _shared(tell: Callable[[_Asked], _Told], asked: Sequence[_Asked], jobs: int) -> list[_Told]:
    """What is told of each, in order.

    Every `jobs`-th for each process; big files lie side by side in a tree, so that this spreads them.
    """
    if jobs == 1 or len(asked) < _FEW:
        return [tell(one) for one in asked]
    children = [_start(tell, asked[number::jobs]) for number in range(1, jobs)]
    try:
        shares = [[tell(one) for one in asked[0::jobs]]]
    except BaseException:
        for pid, pipe in children:
            os.close(pipe)
            os.waitpid(pid, 0)
        raise
    shares += [_collect(pid, pipe) for pid, pipe in children]
    told: dict[int, _Told] = {}
    for number, share in enumerate(shares):
        told |= zip(range(number, len(asked), jobs), share, strict=True)
    return [told[place] for place in range(len(asked))]


def _start(tell: Callable[[_Asked], _Told], asked: Sequence[_Asked]) -> tuple[int, int]:
    """A child that tells its share through the pipe."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    status = 1
    try:
        os.close(ours)
        with os.fdopen(theirs, "wb") as pipe:
            pickle.dump([tell(one) for one in asked], pipe, pickle.HIGHEST_PROTOCOL)
        status = 0
    finally:
        # Whatever happened, nothing of the parent's (its buffers, its progress bars) may be finished here.
        os._exit(status)


def _collect(pid: int, pipe: int) -> list[_Told]:
    """What a child answered."""
    with os.fdopen(pipe, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise WorkerLostError(
            f"a worker process ended early (status {os.waitstatus_to_exitcode(status)})",
            hint="run it again; with -j 1 all happens in one process",
        )
    told: list[_Told] = pickle.loads(data)  # noqa: S301 — written by our own child, through a pipe
    return told
