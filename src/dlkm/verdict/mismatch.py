# SPDX-License-Identifier: GPL-2.0-or-later
"""Why symbol versions differ: what the module was built for. Decides nothing."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.names import Vermagic
from dlkm.kernel.facts import Facts
from dlkm.kernel.symvers import Symvers
from dlkm.verdict.case import Case, Trip
from dlkm.verdict.others import Match
from dlkm.verdict.supply import Found
from dlkm.verdict.versions import expected
from dlkm.verdict.why import Telling, listed, message_of, text, to_build_for

_UNKNOWN = "of an unknown release"


def versions_differ(case: Case, trips: Sequence[Trip]) -> Iterator[Telling]:
    """One telling for the versions that are the kernel's business, one for each other module they are of."""
    rows = _rows(case)
    concerned = {trip.subject for trip in trips}
    for owner in dict.fromkeys(found.owner for found, _ in rows if case.supply.comes_along(found)):
        known = [(found, crc) for found, crc in rows if found.owner == owner and case.supply.comes_along(found)]
        names = [found.name for found, crc in known if found.crc != crc]
        if concerned.intersection(names):
            values = {"owner": owner, "count": len(names), "known": len(known), "subjects": listed(names)}
            yield Telling(message=text("versions-of-module", **values), hint=text("build-both", owner=owner))
    own = [(found, crc) for found, crc in rows if not case.supply.comes_along(found)]
    if concerned.intersection(found.name for found, _ in own):
        yield _of_kernel(case, own)


def built_elsewhere(case: Case, trips: Sequence[Trip]) -> Iterator[Telling]:
    """What it was built for, added to the table's words: for refusals that come before versions are compared."""
    built = Vermagic.parse(case.candidate.field("vermagic") or "").release
    match = _closest(case, _rows(case), built)
    message = message_of(trips)
    if match is not None and match.exact:
        message += f"; {text('built-for', exact=match.kernel)}"
    elif built and built != case.facts.kernel.release:
        message += f"; {text('built-named', built=built)}"
    yield Telling(message=message, hint=trips[0].hint.replace("-k KERNEL", f"-k {to_build_for(case.facts.kernel)}"))


def _rows(case: Case) -> list[tuple[Found, int]]:
    """What the module expects of each symbol that somebody gives with a version, in the order of its table."""
    found = ((case.supply.find(name), crc) for name, crc in (expected(case) or {}).items())
    return [(one, crc) for one, crc in found if one is not None and one.crc is not None]


def _of_kernel(case: Case, rows: Sequence[tuple[Found, int]]) -> Telling:
    names = sorted((found.name for found, crc in rows if found.crc != crc), key=lambda name: name != "module_layout")
    theirs = case.candidate.field("vermagic") or ""
    kernel = case.facts.kernel
    built = Vermagic.parse(theirs).release or _UNKNOWN
    stale = theirs == case.facts.vermagic
    match = _closest(case, rows, built)
    values = {
        "count": len(names),
        "known": len(rows),
        "subjects": listed(names),
        "built": built,
        "kernel": to_build_for(kernel),
        "exact": match.kernel if match is not None else "",
        "near": match.kernel if match is not None else "",
        "agreeing": match.agreeing if match is not None else 0,
        "total": match.total if match is not None else 0,
    }
    message = text(_message_key(match, stale=stale), **values)
    extra = [*_record(case, match, built), *_beside(case)]
    return Telling(message="; ".join([message, *extra]), hint=_hint(case, match, values, stale=stale))


def _closest(case: Case, rows: Sequence[tuple[Found, int]], built: str) -> Match | None:
    """Among the other kernels; versions of what no kernel gives do not count."""
    others = case.supply.others
    if others is None:
        return None
    versions = {found.name: crc for found, crc in rows if not case.supply.comes_along(found)}
    missing = {name: crc for name, crc in (expected(case) or {}).items() if case.supply.find(name) is None}
    gone = others.rows(missing, case.facts.kernel) if missing else {}
    versions |= {name: crc for name, crc in missing.items() if gone.get(name)}
    return others.closest(versions, case.facts.kernel, built)


def _message_key(match: Match | None, *, stale: bool) -> str:
    exact = match is not None and match.exact
    if stale:
        return "versions-stale-of" if exact else "versions-stale"
    if exact:
        return "versions-of"
    return "versions" if match is None else "versions-near"


def _hint(case: Case, match: Match | None, values: dict[str, object], *, stale: bool) -> str:
    if stale:
        return text("build-stale", **values)
    if match is not None and match.exact:
        return text("build-or-boot", **values)
    hint = text("build", **values)
    from dlkm.kernel.debian import is_flavoured

    built = str(values["built"])
    known = built in {case.facts.kernel.release, match.release if match is not None else ""}
    addable = case.supply.others is not None and not known and built != _UNKNOWN and is_flavoured(built)
    return hint + text("add-built", built=built) if addable else hint


def _record(case: Case, match: Match | None, built: str) -> Iterator[str]:
    """What the build's own record says, where there is one and it is news."""
    recorded = case.supply.recorded
    if recorded == case.facts.kernel.id:
        yield text("recorded-here")
    elif recorded is not None and recorded not in {built, match.kernel if match is not None else ""}:
        yield text("recorded", recorded=recorded)


def _beside(case: Case) -> Iterator[str]:
    """Whether a Module.symvers of a whole kernel that lies beside the module is another kernel's."""
    path = case.candidate.path.parent / "Module.symvers"
    if path == case.facts.kernel.symvers:
        return
    differing, known = _compared(path, case.facts)
    if differing:
        yield text("beside-stale", count=differing, known=known)


@cache
def _compared(path: Path, facts: Facts) -> tuple[int, int]:
    """How many of how many of the kernel's own rows in a Module.symvers are other versions than this kernel's."""
    try:
        rows = [row for row in Symvers.read(path).symbols.values() if row.from_kernel] if path.is_file() else []
    except (DlkmError, OSError):
        return 0, 0
    pairs = [(row.crc, known.crc) for row in rows if (known := facts.exports.get(row.name)) is not None]
    return sum(theirs != ours for theirs, ours in pairs), len(pairs)
