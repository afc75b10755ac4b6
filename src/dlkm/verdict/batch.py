# SPDX-License-Identifier: GPL-2.0-or-later
"""Many files, as quickly as may be: shared among processes, answered in the order given."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from dlkm.core.children import Child
from dlkm.core.errors import DlkmError
from dlkm.kernel.demand import complete_for
from dlkm.kernel.demand import digests as packed_digests
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.background import Background
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.digests import FEW, digests_of, leave
from dlkm.verdict.known import Plain, home_of, known_of
from dlkm.verdict.verdict import Outcome, Verdict

Answer = Verdict | DlkmError
Digested = Callable[[Sequence[str], int], Sequence[str | None]]
_Asked = TypeVar("_Asked")
_Told = TypeVar("_Told")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One for each file, in their order. `by_content`: the bytes of all were known (known.py).

    No installed module was read then to tell what they export.
    """

    each: tuple[Answer, ...]
    by_content: bool

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.each)


def judge_all(
    kernel: Kernel,
    files: Sequence[Path | str],
    conditions: Conditions,
    jobs: int = 1,
    background: Background | None = None,
    digested: Digested = digests_of,
) -> Answers:
    """A verdict, or why there can be none, for each file. WorkerLostError when a process of ours is ended from outside.

    `digested` gives the digests of files by so many processes, where they are asked for. Files that a kernel of the
    pool has packed are unpacked unless all are known by their content.

    With `jobs` above 1 and many files, this process forks; children only compute and answer through a pipe.
    """
    names = [os.fspath(file) for file in files]
    with without_collector():
        known = _known(kernel, conditions, names, jobs, digested)
        asked = [name for name in names if name not in known]
        answers: dict[str, Answer] = {}
        complete_for(Path(name) for name in asked if not os.path.exists(name))  # noqa: PTH110 — thousands of them
        if asked or (background is not None and background.companions):
            from dlkm.verdict.lookover import look_over

            share = partial(shared, jobs=jobs)
            answers, known = look_over(
                kernel, names, known, conditions, share, background, alone=jobs == 1 or len(asked) < FEW
            )
        each = tuple(answers[one] if one in answers else _whole(kernel, one, known[one]) for one in names)
        return Answers(each=each, by_content=not asked and not answers)


def _known(
    kernel: Kernel, conditions: Conditions, names: Sequence[str], jobs: int, digested: Digested
) -> dict[str, Plain]:
    """Name and taint of the files whose content was judged before; what modprobe.d hands to one is judged now."""
    others = replace(conditions, options=())
    known = known_of(kernel, others)
    if known is None:
        leave()
        return {}
    digests = dict(zip(names, digested(names, jobs), strict=True))
    if kernel.modules is not None and None in digests.values():  # some may be packed
        listed = packed_digests(kernel.modules)
        digests |= {name: listed.get(name) for name, one in digests.items() if one is None}
    told = {name: known.plain.get(one or "") for name, one in digests.items()}
    if home_of(kernel) is None and (kernel.modules is None or not known.is_whole(kernel.modules, told)):
        return {}
    named = others.named
    good = {name: plain for name, plain in told.items() if plain is not None and plain[0] not in named}
    words = {plain[0]: conditions.params_of(plain[0]) for plain in good.values()} if conditions.options else {}
    return {name: plain for name, plain in good.items() if _takes(kernel, name, words.get(plain[0], ()))}


def _takes(kernel: Kernel, path: str, words: Sequence[str]) -> bool:
    """Whether nothing is to be said of these parameters of a module: that is all that they decide."""
    if not words:
        return True
    from dlkm.verdict.candidate import Candidate
    from dlkm.verdict.era import era_of
    from dlkm.verdict.parameters import judge
    from dlkm.verdict.reading import plain_bytes

    try:
        candidate = Candidate(Path(path), plain_bytes(Path(path)), kernel.arch)
        return not any(judge(candidate, words, era_of(kernel), locked=True))
    except DlkmError:
        return False


def _whole(kernel: Kernel, path: str, plain: Plain) -> Verdict:
    name, taint = plain
    return Verdict(path=path, module=name, kernel=kernel.id, outcome=Outcome.LOADS, taint=taint)


@contextmanager
def without_collector() -> Iterator[None]:
    """Nothing here makes rings; looking for some in millions of small values costs a third of the time.

    Nor are there any in what is left at the end: the collector would look through all that as soon as it is back.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.freeze()
            gc.enable()


def shared(tell: Callable[[_Asked], _Told], asked: Sequence[_Asked], jobs: int) -> list[_Told]:
    """What is told of each, in order.

    Every `jobs`-th for each process; big files lie side by side in a tree, so that this spreads them.
    """
    if jobs == 1 or len(asked) < FEW:
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
