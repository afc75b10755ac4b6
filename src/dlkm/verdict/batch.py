# SPDX-License-Identifier: GPL-2.0-or-later
"""Many files, as quickly as may be: shared among processes, answered in the order given."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from dlkm.core.children import Child
from dlkm.core.errors import DlkmError
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
    shares_of = [partial(_tell_all, tell, asked[number::jobs]) for number in range(jobs)]
    children = [Child.start(share) for share in shares_of[1:]]
    try:
        shares = [shares_of[0]()]
    except BaseException:
        for child in children:
            child.abandon()
        raise
    shares += [child.collect() for child in children]
    told: dict[int, _Told] = {}
    for number, share in enumerate(shares):
        told |= zip(range(number, len(asked), jobs), share, strict=True)
    return [told[place] for place in range(len(asked))]


def _tell_all(tell: Callable[[_Asked], _Told], asked: Sequence[_Asked]) -> list[_Told]:
    return [tell(one) for one in asked]
