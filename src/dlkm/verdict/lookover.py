# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are not known by their content: a first look at each, then the rules for what that leaves."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dlkm.core.errors import DlkmError
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.symvers import KERNEL
from dlkm.verdict.background import Background
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.digests import FEW
from dlkm.verdict.era import era_of
from dlkm.verdict.known import Plain, home_of, learn
from dlkm.verdict.quick import Quick
from dlkm.verdict.verdict import Verdict

_WORTH = 1000  # files that a run judges anew for a kernel of which nothing is known: what it finds is kept


class Share(Protocol):
    """Tells something of each, in order, by as many processes as may be."""

    def __call__(self, tell: Callable[[Any], Any], asked: Sequence[Any]) -> list[Any]:
        """What `tell` tells."""


def look_over(
    kernel: Kernel,
    names: Sequence[str],
    known: Mapping[str, Plain],
    conditions: Conditions,
    share: Share,
    background: Background | None,
    *,
    alone: bool,
) -> tuple[dict[str, Verdict | DlkmError], dict[str, Plain]]:
    """The verdicts on those that need one, and name and taint of the others.

    What is known without the modules that are given may be served by one of them: then all are looked at anew.
    `alone`: no other process may help.
    """
    from dlkm.verdict.session import Session

    facts = Facts(kernel)
    if not alone:
        facts.read_beside()
    plain = {**known, **_plain(Quick(facts, conditions, era_of(kernel)), _left(names, known), share, conditions)}
    session = Session(kernel, conditions, list(map(Path, _left(names, plain))), background, facts)
    if session.touched:
        plain = _looked(Quick(facts, conditions, era_of(kernel), session.touched), names, share)
    asked = _left(names, plain)
    if len(asked) >= FEW:  # shared among processes: what they all need is made before
        session.prepare()
    return dict(zip(asked, share(session.answer, list(map(Path, asked))), strict=True)), plain


def _left(names: Sequence[str], plain: Mapping[str, Plain]) -> list[str]:
    return [name for name in names if name not in plain]


def _plain(quick: Quick, names: Sequence[str], share: Share, conditions: Conditions) -> dict[str, Plain]:
    """Of the modules that surely load without a finding as long as no given module serves them; kept for once."""
    kernel = quick.facts.kernel
    if len(names) < _WORTH or not quick.usable or conditions != Conditions() or home_of(kernel) is None:
        return _looked(quick, names, share)
    quick.prepare()
    told = {name: one for name, one in zip(names, share(quick.digest, names), strict=True) if one is not None}
    assert quick.facts.table is not None
    learn(kernel, told.values(), quick.facts.table.providers - {KERNEL})
    return {name: plain for name, (_, plain) in told.items()}


def _looked(quick: Quick, names: Sequence[str], share: Share) -> dict[str, Plain]:
    if not quick.usable or not names:
        return {}
    if len(names) >= FEW:
        quick.prepare()
    return {name: one for name, one in zip(names, share(quick.look, names), strict=True) if one is not None}
